-- One row per folder that holds the finished model of a run, beside or above its checkpoints.
with

signed as (

    select * from intermediate.int_directories_signed

),

anchors as (

    select * from intermediate.int_checkpoint_anchors_found

),

rules as (

    select * from reference.layout_files

),

layouts as (

    select * from reference.layouts

),

folders as (

    select * from intermediate.int_checkpoint_folders_chosen

),

directories as (

    select * from intermediate.int_directories_assigned_to_checkpoints

),

-- What a directory proves by its names alone: the finished model, or that it is of a run.
proofs as (

    select
        anchors.signature,
        anchors.layout_id,
        bool_or(rules.is_final_part and rules.file_role = 'weights') as has_weights,
        bool_or(rules.is_proof_of_run) as is_of_run

    from anchors

    inner join rules
        on
            anchors.layout_id = rules.layout_id
            and anchors.file_rule = rules.file_rule

    group by all

),

weights as (

    select
        signed.provider,
        signed.bucket,
        signed.directory,
        proofs.layout_id,
        proofs.is_of_run

    from signed

    inner join proofs
        on signed.signature = proofs.signature

    -- What lies in a checkpoint's folder is part of that one.
    anti join directories
        on
            signed.provider = directories.provider
            and signed.bucket = directories.bucket
            and signed.directory = directories.directory

    where proofs.has_weights

),

saved_into as (

    select distinct
        provider,
        bucket,
        left(directory, length(directory) - length(checkpoint_name) - 1) as directory,
        layout_id

    from folders

),

-- The same file names are those of any downloaded model: something must tie the folder to a run.
of_runs as (

    select
        weights.provider,
        weights.bucket,
        weights.directory,
        weights.layout_id

    from weights

    left outer join saved_into
        on
            weights.provider = saved_into.provider
            and weights.bucket = saved_into.bucket
            and weights.directory = saved_into.directory
            and weights.layout_id = saved_into.layout_id

    where weights.is_of_run or saved_into.directory is not null

),

finals as (

    select
        of_runs.provider,
        of_runs.bucket,
        of_runs.directory,
        of_runs.layout_id

    from of_runs

    inner join layouts
        on of_runs.layout_id = layouts.layout_id

    -- Its id ends in #root. A checkpoint that is really called so goes first.
    anti join folders
        on
            of_runs.provider = folders.provider
            and of_runs.bucket = folders.bucket
            and left(of_runs.directory, length(of_runs.directory) - 1) || '#root/'
            = folders.directory

    qualify
        row_number() over (
            partition by of_runs.provider, of_runs.bucket, of_runs.directory
            order by layouts.specific desc, of_runs.layout_id asc
        ) = 1

)

select * from finals

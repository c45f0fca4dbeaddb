-- One row per folder that holds the finished model of a run, beside or above its checkpoints.
with

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

weights as (

    select distinct
        anchors.provider,
        anchors.bucket,
        anchors.directory,
        anchors.layout_id

    from anchors

    inner join rules
        on
            anchors.layout_id = rules.layout_id
            and anchors.file_rule = rules.file_rule

    where
        rules.is_final_part
        and rules.file_role = 'weights'

),

-- The same file names are those of any downloaded model: something must tie the folder to a run.
run_folders as (

    select
        provider,
        bucket,
        left(directory, length(directory) - length(checkpoint_name) - 1) as directory,
        layout_id

    from folders

    union

    select
        anchors.provider,
        anchors.bucket,
        anchors.directory,
        anchors.layout_id

    from anchors

    inner join rules
        on
            anchors.layout_id = rules.layout_id
            and anchors.file_rule = rules.file_rule

    where rules.is_proof_of_run

),

of_runs as (

    select
        weights.provider,
        weights.bucket,
        weights.directory,
        weights.layout_id

    from weights

    inner join run_folders
        on
            weights.provider = run_folders.provider
            and weights.bucket = run_folders.bucket
            and weights.directory = run_folders.directory
            and weights.layout_id = run_folders.layout_id

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

    anti join directories
        on
            of_runs.provider = directories.provider
            and of_runs.bucket = directories.bucket
            and of_runs.directory = directories.directory

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

-- One row per folder, name or finished model that may be a checkpoint: where it is and saved into.
with

folders as (

    select * from intermediate.int_checkpoint_folders_chosen

),

files as (

    select * from intermediate.int_checkpoint_files_named

),

finals as (

    select * from intermediate.int_final_models_found

),

-- Folders have their number already: to sort all of them again would cost more than the rest.
located as (

    select
        folder_number * 3 as checkpoint_number,
        folder_number,
        provider,
        bucket,
        'directory' as grain,
        directory,
        null::varchar as leaf,
        left(directory, length(directory) - length(checkpoint_name) - 1) as save_directory,
        checkpoint_name,
        layout_id,
        name_rule

    from folders

    union all

    select
        row_number() over (order by provider, bucket, directory, leaf) * 3 + 1
            as checkpoint_number,
        null::bigint as folder_number,
        provider,
        bucket,
        'object' as grain,
        directory,
        leaf,
        directory as save_directory,
        leaf as checkpoint_name,
        layout_id,
        name_rule

    from files

    union all

    select
        row_number() over (order by provider, bucket, directory) * 3 + 2 as checkpoint_number,
        null::bigint as folder_number,
        provider,
        bucket,
        'run' as grain,
        directory,
        null::varchar as leaf,
        directory as save_directory,
        '' as checkpoint_name,
        layout_id,
        null::bigint as name_rule

    from finals

)

select * from located

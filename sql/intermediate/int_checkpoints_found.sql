-- One row per checkpoint: where it is, what its name says, and the run it belongs to.
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

name_rules as (

    select * from reference.layout_names

),

layouts as (

    select * from reference.layouts

),

run_folders as (

    select * from reference.layout_run_folders

),

located as (

    select
        folders.provider,
        folders.bucket,
        'directory' as grain,
        folders.directory,
        null::varchar as leaf,
        left(folders.directory, length(folders.directory) - 1) as checkpoint_path,
        left(folders.directory, length(folders.directory) - length(folders.checkpoint_name) - 1)
            as save_directory,
        folders.checkpoint_name,
        folders.layout_id,
        folders.name_rule

    from folders

    union all

    select
        files.provider,
        files.bucket,
        'object' as grain,
        files.directory,
        files.leaf,
        files.directory || files.leaf as checkpoint_path,
        files.directory as save_directory,
        files.leaf as checkpoint_name,
        files.layout_id,
        files.name_rule

    from files

),

named as (

    select
        located.*,
        layouts.framework,
        name_rules.checkpoint_kind,
        name_rules.name_state,
        name_rules.needs_company,
        name_rules.is_best_by_name,
        name_rules.is_last_by_name,
        regexp_extract(located.checkpoint_name, name_rules.metric_pattern, 1) as named_metric,
        regexp_extract(located.checkpoint_name, name_rules.metric_pattern, 2) as named_value,
        case
            when name_rules.is_sorted_by_digits
                then left(regexp_replace(located.checkpoint_name, '[^0-9]+', '', 'g'), 17)
        end as sort_text,
        case
            when name_rules.is_step_last
                then regexp_extract(located.checkpoint_name, '([0-9]+)[^0-9]*$', 1)
            else
                regexp_extract(
                    substr(
                        located.checkpoint_name,
                        instr(located.checkpoint_name, name_rules.step_after)
                        + length(name_rules.step_after)
                    ),
                    '^[0-9]+'
                )
        end as step_text,
        case
            when name_rules.is_epoch_last
                then regexp_extract(located.checkpoint_name, '([0-9]+)[^0-9]*$', 1)
            when contains(located.checkpoint_name, name_rules.epoch_after)
                then
                    regexp_extract(
                        substr(
                            located.checkpoint_name,
                            instr(located.checkpoint_name, name_rules.epoch_after)
                            + length(name_rules.epoch_after)
                        ),
                        '^[0-9]+'
                    )
        end as epoch_text

    from located

    inner join layouts
        on located.layout_id = layouts.layout_id

    inner join name_rules
        on
            located.layout_id = name_rules.layout_id
            and located.name_rule = name_rules.name_rule

),

-- `last.ckpt` may be anybody's: it counts in a folder for checkpoints, or beside a numbered one.
save_directories as (

    select distinct
        layout_id,
        save_directory

    from named

),

save_folders as (

    select
        save_directories.layout_id,
        save_directories.save_directory,
        max_by(run_folders.folder, length(run_folders.folder)) as folder

    from save_directories

    inner join run_folders
        on
            save_directories.layout_id = run_folders.layout_id
            and ends_with(
                '/' || save_directories.save_directory, '/' || run_folders.folder || '/'
            )

    group by all

),

accompanied as (

    select
        named.*,
        bool_or(not named.needs_company) over (
            partition by named.provider, named.bucket, named.save_directory, named.framework
        ) as has_company,
        save_folders.folder as run_folder

    from named

    left outer join save_folders
        on
            named.layout_id = save_folders.layout_id
            and named.save_directory = save_folders.save_directory

),

numbered as (

    select
        provider,
        bucket,
        grain,
        directory,
        leaf,
        checkpoint_path,
        checkpoint_path as checkpoint_label,
        save_directory,
        case
            when length(save_directory) > length(run_folder) + 1
                then left(save_directory, length(save_directory) - length(run_folder) - 2)
            else rtrim(save_directory, '/')
        end as run,
        checkpoint_name,
        layout_id,
        framework,
        checkpoint_kind,
        name_state,
        is_best_by_name,
        is_last_by_name,
        named_metric,
        named_value,
        try_cast(step_text as bigint) as step,
        try_cast(epoch_text as bigint) as epoch,
        try_cast(sort_text as bigint) as sort_number

    from accompanied

    where not needs_company or has_company or run_folder is not null

),

finished as (

    select
        finals.provider,
        finals.bucket,
        'run' as grain,
        finals.directory,
        null::varchar as leaf,
        left(finals.directory, length(finals.directory) - 1) as checkpoint_path,
        left(finals.directory, length(finals.directory) - 1) || '#root' as checkpoint_label,
        finals.directory as save_directory,
        left(finals.directory, length(finals.directory) - 1) as run,
        '' as checkpoint_name,
        finals.layout_id,
        layouts.framework,
        'final' as checkpoint_kind,
        'named' as name_state,
        false as is_best_by_name,
        false as is_last_by_name,
        null::varchar as named_metric,
        null::varchar as named_value,
        null::bigint as step,
        null::bigint as epoch,
        null::bigint as sort_number

    from finals

    inner join layouts
        on finals.layout_id = layouts.layout_id

),

found as (

    select * from numbered

    union all

    select * from finished

),

identified as (

    select
        case provider when 'gcp' then 'gs://' else 's3://' end
        || bucket || '/' || checkpoint_label as checkpoint_id,
        case provider when 'gcp' then 'gs://' else 's3://' end
        || bucket || '/' || checkpoint_path as checkpoint_uri,
        provider,
        bucket,
        grain,
        directory,
        leaf,
        save_directory,
        run,
        checkpoint_name,
        layout_id,
        framework,
        checkpoint_kind,
        name_state,
        is_best_by_name,
        is_last_by_name,
        named_metric,
        named_value,
        step,
        epoch,
        sort_number

    from found

)

select * from identified

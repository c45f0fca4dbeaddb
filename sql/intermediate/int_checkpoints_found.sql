-- One row per checkpoint: where it is, what its name says, and the run it belongs to.
with

located as (

    select * from intermediate.int_checkpoints_located

),

-- Asked for again and again: a step with several readers would keep all of it in memory.
located_names as (

    select * from intermediate.int_checkpoints_located

    where name_rule is not null

),

located_saves as (

    select * from intermediate.int_checkpoints_located

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

-- Runs call their saves alike: what a name says is found once.
names as (

    select distinct
        layout_id,
        name_rule,
        checkpoint_name

    from located_names

),

told as (

    select
        names.layout_id,
        names.name_rule,
        names.checkpoint_name,
        name_rules.checkpoint_kind,
        name_rules.name_state,
        name_rules.needs_company,
        name_rules.is_best_by_name,
        name_rules.is_last_by_name,
        regexp_extract(names.checkpoint_name, name_rules.metric_pattern, 1) as named_metric,
        regexp_extract(names.checkpoint_name, name_rules.metric_pattern, 2) as named_value,
        case
            when name_rules.is_sorted_by_digits
                then left(regexp_replace(names.checkpoint_name, '[^0-9]+', '', 'g'), 17)
        end as sort_text,
        case
            when name_rules.is_step_last
                then regexp_extract(names.checkpoint_name, '([0-9]+)[^0-9]*$', 1)
            else
                regexp_extract(
                    substr(
                        names.checkpoint_name,
                        instr(names.checkpoint_name, name_rules.step_after)
                        + length(name_rules.step_after)
                    ),
                    '^[0-9]+'
                )
        end as step_text,
        case
            when name_rules.is_epoch_last
                then regexp_extract(names.checkpoint_name, '([0-9]+)[^0-9]*$', 1)
            when contains(names.checkpoint_name, name_rules.epoch_after)
                then
                    regexp_extract(
                        substr(
                            names.checkpoint_name,
                            instr(names.checkpoint_name, name_rules.epoch_after)
                            + length(name_rules.epoch_after)
                        ),
                        '^[0-9]+'
                    )
        end as epoch_text

    from names

    inner join name_rules
        on
            names.layout_id = name_rules.layout_id
            and names.name_rule = name_rules.name_rule

),

save_directories as (

    select
        located_saves.provider,
        located_saves.bucket,
        located_saves.save_directory,
        located_saves.layout_id,
        coalesce(bool_or(not name_rules.needs_company), false) as has_company

    from located_saves

    left outer join name_rules
        on
            located_saves.layout_id = name_rules.layout_id
            and located_saves.name_rule = name_rules.name_rule

    group by all

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

-- `last.ckpt` may be anybody's: it counts in a folder for checkpoints, or beside a numbered one.
series as (

    select
        save_directories.provider,
        save_directories.bucket,
        save_directories.save_directory,
        save_directories.layout_id,
        layouts.framework,
        dense_rank() over (
            order by
                save_directories.provider,
                save_directories.bucket,
                save_directories.save_directory,
                layouts.framework
        ) as series_number,
        bool_or(save_directories.has_company) over (
            partition by
                save_directories.provider,
                save_directories.bucket,
                save_directories.save_directory,
                layouts.framework
        ) as has_company,
        save_folders.folder as run_folder

    from save_directories

    inner join layouts
        on save_directories.layout_id = layouts.layout_id

    left outer join save_folders
        on
            save_directories.layout_id = save_folders.layout_id
            and save_directories.save_directory = save_folders.save_directory

),

found as (

    select
        located.checkpoint_number,
        located.folder_number,
        series.series_number,
        located.provider,
        located.bucket,
        located.grain,
        located.directory,
        located.leaf,
        located.save_directory,
        case
            when located.grain = 'run' then left(located.directory, length(located.directory) - 1)
            when length(located.save_directory) > length(series.run_folder) + 1
                then
                    left(
                        located.save_directory,
                        length(located.save_directory) - length(series.run_folder) - 2
                    )
            else rtrim(located.save_directory, '/')
        end as run,
        located.checkpoint_name,
        located.layout_id,
        series.framework,
        coalesce(told.checkpoint_kind, 'final') as checkpoint_kind,
        coalesce(told.name_state, 'named') as name_state,
        coalesce(told.is_best_by_name, false) as is_best_by_name,
        coalesce(told.is_last_by_name, false) as is_last_by_name,
        told.named_metric,
        told.named_value,
        try_cast(told.step_text as bigint) as step,
        try_cast(told.epoch_text as bigint) as epoch,
        try_cast(told.sort_text as bigint) as sort_number

    from located

    inner join series
        on
            located.provider = series.provider
            and located.bucket = series.bucket
            and located.save_directory = series.save_directory
            and located.layout_id = series.layout_id

    left outer join told
        on
            located.layout_id = told.layout_id
            and located.name_rule = told.name_rule
            and located.checkpoint_name = told.checkpoint_name

    where
        located.grain = 'run'
        or not told.needs_company
        or series.has_company
        or series.run_folder is not null

),

identified as (

    select
        checkpoint_number,
        series_number,
        folder_number,
        case provider when 'gcp' then 'gs://' else 's3://' end || bucket || '/'
        || case grain
            when 'object' then directory || leaf
            when 'run' then left(directory, length(directory) - 1) || '#root'
            else left(directory, length(directory) - 1)
        end as checkpoint_id,
        case provider when 'gcp' then 'gs://' else 's3://' end || bucket || '/'
        || case grain
            when 'object' then directory || leaf
            else left(directory, length(directory) - 1)
        end as checkpoint_uri,
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

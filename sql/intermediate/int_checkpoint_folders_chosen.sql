-- One row per folder that is a checkpoint: of nested ones the outermost.
with

places as (

    select * from intermediate.int_checkpoint_places_named

),

name_rules as (

    select * from reference.layout_names

),

-- A layout that takes any name gives way to one that knows this name.
ranked_rules as (

    select
        layout_id,
        name_rule,
        row_number() over (
            order by is_any_name asc, specific desc, layout_id asc, name_rule asc
        ) as rule_rank

    from name_rules

),

ranked as (

    select
        places.provider,
        places.bucket,
        places.directory,
        places.checkpoint_name,
        places.levels_down,
        min(ranked_rules.rule_rank) as rule_rank

    from places

    inner join ranked_rules
        on
            places.layout_id = ranked_rules.layout_id
            and places.name_rule = ranked_rules.name_rule

    group by all

),

folders as (

    select
        ranked.provider,
        ranked.bucket,
        ranked.directory,
        ranked.checkpoint_name,
        ranked_rules.layout_id,
        ranked_rules.name_rule,
        ranked.levels_down

    from ranked

    inner join ranked_rules
        on ranked.rule_rank = ranked_rules.rule_rank

),

depths as (

    select distinct
        provider,
        bucket,
        levels_down

    from folders

),

ancestors as (

    select
        folders.provider,
        folders.bucket,
        folders.directory,
        array_to_string(
            list_slice(string_split(folders.directory, '/'), 1, depths.levels_down), '/'
        )
        || '/' as ancestor

    from folders

    inner join depths
        on
            folders.provider = depths.provider
            and folders.bucket = depths.bucket
            and folders.levels_down > depths.levels_down

),

nested as (

    select distinct
        ancestors.provider,
        ancestors.bucket,
        ancestors.directory

    from ancestors

    inner join folders
        on
            ancestors.provider = folders.provider
            and ancestors.bucket = folders.bucket
            and ancestors.ancestor = folders.directory

),

outermost as (

    select
        row_number() over (order by folders.provider, folders.bucket, folders.directory)
            as folder_number,
        folders.*

    from folders

    anti join nested
        on
            folders.provider = nested.provider
            and folders.bucket = nested.bucket
            and folders.directory = nested.directory

)

select * from outermost

-- One row per checkpoint below a prefix with an owner: the team of the longest such prefix.
with

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

team_prefixes as (

    select * from reference.team_prefixes

),

owned as (

    select
        checkpoints.checkpoint_number,
        max_by(team_prefixes.team, length(team_prefixes.prefix)) as team

    from checkpoints

    inner join team_prefixes
        on
            checkpoints.bucket = team_prefixes.bucket
            and starts_with(
                checkpoints.directory || coalesce(checkpoints.leaf, ''), team_prefixes.prefix
            )

    group by all

)

select * from owned

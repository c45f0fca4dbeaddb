-- One row per prefix of a listed bucket that has an owner: the team whose prefix covers it best.
with

prefixes as (

    select * from intermediate.int_inventory_prefixes_summed

),

team_prefixes as (

    select * from reference.team_prefixes

),

distinct_prefixes as (

    select distinct
        bucket,
        prefix

    from prefixes

),

owned as (

    select
        distinct_prefixes.bucket,
        distinct_prefixes.prefix,
        max_by(team_prefixes.team, length(team_prefixes.prefix)) as team

    from distinct_prefixes

    inner join team_prefixes
        on
            distinct_prefixes.bucket = team_prefixes.bucket
            and starts_with(distinct_prefixes.prefix, team_prefixes.prefix)

    group by all

)

select * from owned

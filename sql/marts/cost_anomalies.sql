-- One row per day and scope (all, a team, a bucket, a meter) that cost unlike its weekday.
with

anomalies as (

    select * from intermediate.int_cost_anomalies_found

),

contributors as (

    select * from intermediate.int_cost_anomalies_explained

),

explained as (

    select
        anomalies.scope,
        anomalies.scope_name,
        anomalies.currency,
        anomalies.judged_by,
        anomalies.days_compared,
        anomalies.cost,
        anomalies.expected_cost,
        anomalies.impact,
        anomalies.z_score,
        max(contributors.team) filter (
            where contributors.contributor = 1
        ) as contributor_1_team,
        max(contributors.bucket) filter (
            where contributors.contributor = 1
        ) as contributor_1_bucket,
        max(contributors.meter) filter (
            where contributors.contributor = 1
        ) as contributor_1_meter,
        max(contributors.impact) filter (
            where contributors.contributor = 1
        ) as contributor_1_impact,
        max(contributors.team) filter (
            where contributors.contributor = 2
        ) as contributor_2_team,
        max(contributors.bucket) filter (
            where contributors.contributor = 2
        ) as contributor_2_bucket,
        max(contributors.meter) filter (
            where contributors.contributor = 2
        ) as contributor_2_meter,
        max(contributors.impact) filter (
            where contributors.contributor = 2
        ) as contributor_2_impact,
        max(contributors.team) filter (
            where contributors.contributor = 3
        ) as contributor_3_team,
        max(contributors.bucket) filter (
            where contributors.contributor = 3
        ) as contributor_3_bucket,
        max(contributors.meter) filter (
            where contributors.contributor = 3
        ) as contributor_3_meter,
        max(contributors.impact) filter (
            where contributors.contributor = 3
        ) as contributor_3_impact,
        anomalies.usage_date

    from anomalies

    left outer join contributors
        on
            anomalies.scope = contributors.scope
            and anomalies.scope_name = contributors.scope_name
            and anomalies.currency = contributors.currency
            and anomalies.usage_date = contributors.usage_date

    group by all

)

select * from explained

-- One row per charge: whose it is, for which bucket, of what kind, what its unit is in bytes.
with

charges as (

    select * from intermediate.int_charges_named

),

meters as (

    select * from intermediate.int_meters_classified

),

team_tags as (

    select * from reference.team_tags

),

team_names as (

    select * from reference.team_names

),

team_prefixes as (

    select * from reference.team_prefixes

),

team_accounts as (

    select * from reference.team_accounts

),

units as (

    select * from reference.units

),

tagged as (

    select distinct
        tags,
        -- Keys and teams are spelled with and without capitals; of two alike the first counts.
        lower(tags) as lower_tags

    from charges

    where json_valid(tags)

),

tag_values as (

    select
        tagged.tags,
        min_by(
            trim(json_extract_string(tagged.lower_tags, team_tags.json_path)), team_tags.position
        ) as spelled

    from tagged

    cross join team_tags

    where trim(json_extract_string(tagged.lower_tags, team_tags.json_path)) <> ''

    group by all

),

tag_owners as (

    select
        tag_values.tags,
        coalesce(team_names.team, tag_values.spelled) as team

    from tag_values

    left outer join team_names
        on tag_values.spelled = team_names.spelled

),

bucket_owners as (

    select
        bucket,
        max(team) as team

    from team_prefixes

    -- Only who owns all of a bucket owns what is charged for the bucket as such.
    where prefix = ''

    group by all

),

charges_with_buckets as (

    select
        charges.*,
        meters.provider,
        meters.service_code as known_service_code,
        meters.service_name as known_service_name,
        meters.path,
        meters.comes_from,
        meters.goes_to,
        meters.pair_region,
        meters.storage_class as meter_class,
        meters.meter_group as meter_kind,
        meters.layer,
        meters.is_transfer,
        meters.holds_objects,
        -- Most meters of us-east-1 carry no code of a region.
        coalesce(
            -- Google's words name a continent, its charges a region.
            case when meters.provider <> 'gcp' then nullif(meters.here_region, '') end,
            nullif(charges.region_id, ''),
            case when meters.provider = 'aws' then 'us-east-1' else meters.here_region end
        ) as here_region,
        case
            when meters.provider = 'aws' and meters.service_code = 'AmazonS3'
                then regexp_replace(charges.resource_id, '^arn:aws[a-z-]*:s3:::', '')
            when meters.provider = 'gcp' and meters.service_code = '95FF-2EF5-5EA1'
                then
                    regexp_replace(
                        charges.resource_id,
                        '^//storage[.]googleapis[.]com/projects/[^/]*/buckets/',
                        ''
                    )
            else ''
        end as bucket_name

    from charges

    inner join meters
        on charges.meter_id = meters.meter_id

),

placed as (

    select
        charges_with_buckets.charge_id,
        charges_with_buckets.billing_account_id,
        charges_with_buckets.sub_account_id,
        charges_with_buckets.resource_id,
        charges_with_buckets.meter_id,
        charges_with_buckets.provider,
        charges_with_buckets.known_service_code as service_code,
        charges_with_buckets.known_service_name as service_name,
        charges_with_buckets.meter,
        charges_with_buckets.operation,
        charges_with_buckets.charge_category,
        charges_with_buckets.charge_class,
        charges_with_buckets.layer,
        charges_with_buckets.region_id,
        -- An access point, a storage lens or a managed folder is no bucket.
        case
            when regexp_matches(charges_with_buckets.bucket_name, '^arn:|/')
                then ''
            else charges_with_buckets.bucket_name
        end as bucket,
        coalesce(
            tag_owners.team, bucket_owners.team, sub_accounts.team, payers.team, ''
        ) as team,
        case
            when tag_owners.team is not null
                then 'tag'
            when bucket_owners.team is not null
                then 'prefix'
            when coalesce(sub_accounts.team, payers.team) is not null
                then 'account'
            else 'none'
        end as allocation_method,
        charges_with_buckets.path,
        case charges_with_buckets.comes_from
            when 'here' then charges_with_buckets.here_region
            when 'pair' then charges_with_buckets.pair_region
            else charges_with_buckets.comes_from
        end as from_region,
        case charges_with_buckets.goes_to
            when 'here' then charges_with_buckets.here_region
            when 'pair' then charges_with_buckets.pair_region
            else charges_with_buckets.goes_to
        end as to_region,
        case
            when charges_with_buckets.charge_category = 'Usage'
                then charges_with_buckets.meter_class
            else ''
        end as storage_class,
        case
            when charges_with_buckets.charge_category = 'Usage'
                then charges_with_buckets.meter_kind
            else 'other'
        end as meter_group,
        charges_with_buckets.usage_unit,
        charges_with_buckets.currency,
        charges_with_buckets.tags,
        units.size_bytes as unit_bytes,
        units.per as unit_per,
        charges_with_buckets.is_transfer
        and charges_with_buckets.charge_category = 'Usage' as is_transfer,
        charges_with_buckets.holds_objects
        and charges_with_buckets.charge_category = 'Usage' as holds_objects

    from charges_with_buckets

    left outer join tag_owners
        on charges_with_buckets.tags = tag_owners.tags

    left outer join bucket_owners
        on charges_with_buckets.bucket_name = bucket_owners.bucket

    left outer join team_accounts as sub_accounts
        on charges_with_buckets.sub_account_id = sub_accounts.account_id

    left outer join team_accounts as payers
        on charges_with_buckets.billing_account_id = payers.account_id

    left outer join units
        on lower(charges_with_buckets.usage_unit) = units.spelled

)

select * from placed

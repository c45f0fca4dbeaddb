-- One row per state file, what it tells (latest or best), and checkpoint that it names.
with

files as (

    select * from intermediate.int_checkpoint_states_chosen

),

checkpoints as (

    select * from intermediate.int_checkpoints_found

),

told as (

    select
        provider,
        bucket,
        object_key,
        leaf,
        framework,
        save_directory,
        told_by_checkpoint_id,
        field_holds,
        status,
        message,
        is_read,
        is_newest,
        'latest' as witness_kind,
        latest_value as told_value

    from files

    where tells in ('latest', 'both')

    union all

    select
        provider,
        bucket,
        object_key,
        leaf,
        framework,
        save_directory,
        told_by_checkpoint_id,
        field_holds,
        status,
        message,
        is_read,
        is_newest,
        'best' as witness_kind,
        best_value as told_value

    from files

    where tells in ('best', 'both')

),

-- Of a path of the training host the last part is the name. A uri elsewhere names nothing here.
cleaned as (

    select
        *,
        rtrim(
            case
                when contains(told_value, '/') then told_value
                else replace(told_value, chr(92), '/')
            end,
            '/'
        ) as told_path,
        lower(regexp_extract(told_value, '^([A-Za-z][A-Za-z0-9+.-]*)://', 1)) as scheme,
        regexp_extract(told_value, '^[A-Za-z][A-Za-z0-9+.-]*://([^/]*)/', 1) as told_bucket,
        regexp_extract(told_value, '^[A-Za-z][A-Za-z0-9+.-]*://[^/]*/(.*)$', 1) as told_key

    from told

),

read_as as (

    select
        *,
        regexp_extract(told_path, '[^/]*$') as told_name,
        case
            when regexp_full_match(told_value, '[0-9]{1,18}') then told_value::bigint
        end as told_step,
        rtrim(case when scheme = '' then told_path else told_key end, '/') as told_place,
        scheme not in ('', 'file')
        and (
            told_bucket != bucket
            or not scheme in ('s3', 's3a', 's3n', 'gs')
            or (scheme = 'gs') != (provider = 'gcp')
        ) as is_elsewhere

    from cleaned

),

candidates as (

    select
        checkpoint_id,
        provider,
        bucket,
        save_directory,
        framework,
        grain,
        checkpoint_name,
        step,
        case grain
            when 'object' then directory || leaf
            else rtrim(directory, '/')
        end as checkpoint_place

    from checkpoints

    where grain != 'run'

),

-- The best in another framework's file would free these checkpoints; its latest only keeps them.
by_name as (

    select
        read_as.provider,
        read_as.bucket,
        read_as.object_key,
        read_as.framework,
        read_as.witness_kind,
        candidates.checkpoint_id

    from read_as

    inner join candidates
        on
            read_as.provider = candidates.provider
            and read_as.bucket = candidates.bucket
            and read_as.save_directory = candidates.save_directory

    where
        read_as.is_read
        and not read_as.is_elsewhere
        and (read_as.witness_kind = 'latest' or read_as.framework = candidates.framework)
        and (
            (read_as.told_name != '' and read_as.told_name = candidates.checkpoint_name)
            or (read_as.field_holds = 'step' and read_as.told_step = candidates.step)
            -- One of several files that are one checkpoint: to keep it too much does no harm.
            or (
                read_as.witness_kind = 'latest'
                and candidates.grain = 'object'
                and (
                    starts_with(read_as.told_name, candidates.checkpoint_name || '-')
                    or starts_with(read_as.told_name, candidates.checkpoint_name || '.')
                )
            )
        )

),

by_place as (

    select
        read_as.provider,
        read_as.bucket,
        read_as.object_key,
        read_as.framework,
        read_as.witness_kind,
        candidates.checkpoint_id

    from read_as

    inner join candidates
        on
            read_as.provider = candidates.provider
            and read_as.bucket = candidates.bucket
            and read_as.told_place = candidates.checkpoint_place

    where
        read_as.is_read
        and not read_as.is_elsewhere
        and read_as.told_place != ''
        and (read_as.witness_kind = 'latest' or read_as.framework = candidates.framework)

),

named as (

    select * from by_name

    union

    select * from by_place

),

witnesses as (

    select
        read_as.provider,
        read_as.bucket,
        read_as.object_key,
        read_as.leaf,
        read_as.framework,
        read_as.save_directory,
        read_as.witness_kind,
        coalesce(named.checkpoint_id, '') as checkpoint_id,
        coalesce(read_as.told_by_checkpoint_id, '') as told_by_checkpoint_id,
        read_as.told_value,
        read_as.status,
        read_as.message,
        read_as.is_read,
        read_as.is_newest,
        named.checkpoint_id is not null as resolves

    from read_as

    left outer join named
        on
            read_as.provider = named.provider
            and read_as.bucket = named.bucket
            and read_as.object_key = named.object_key
            and read_as.framework = named.framework
            and read_as.witness_kind = named.witness_kind

)

select * from witnesses

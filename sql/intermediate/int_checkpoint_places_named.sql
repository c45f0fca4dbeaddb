-- One row per directory and layout that an anchor proves and whose own name is one of a checkpoint.
with

directories as (

    select * from intermediate.int_directories_signed

    where signature != ''

),

anchors as (

    select * from intermediate.int_checkpoint_anchors_found

),

levels as (

    select * from reference.layout_anchors

),

rules as (

    select * from reference.layout_files

),

name_rules as (

    select * from reference.layout_names

    where grain = 'directory'

),

-- An anchor says how far up its checkpoint begins, and in which folder it must lie itself.
proofs as (

    select distinct
        anchors.signature,
        anchors.layout_id,
        levels.levels_up,
        rules.folder_shape,
        rules.folder_starts

    from anchors

    inner join levels
        on
            anchors.layout_id = levels.layout_id
            and anchors.file_rule = levels.file_rule

    inner join rules
        on
            anchors.layout_id = rules.layout_id
            and anchors.file_rule = rules.file_rule

),

distances as (

    select distinct
        signature,
        levels_up

    from proofs

),

cut as (

    select
        *,
        string_split(directory, '/') as folders,
        length(directory) - length(replace(directory, '/', '')) as levels_down

    from directories

),

-- Where a checkpoint may begin, whatever its layout.
begun as (

    select
        cut.provider,
        cut.bucket,
        cut.signature,
        distances.levels_up,
        cut.levels_down - distances.levels_up as levels_down,
        case
            when distances.levels_up = 0 then cut.directory
            else
                array_to_string(
                    list_slice(cut.folders, 1, cut.levels_down - distances.levels_up), '/'
                )
                || '/'
        end as directory,
        cut.folders[cut.levels_down - distances.levels_up] as checkpoint_name,
        cut.folders[cut.levels_down - distances.levels_up - 1] as around,
        cut.folders[cut.levels_down] as anchor_folder

    from cut

    inner join distances
        on cut.signature = distances.signature

    where cut.levels_down > distances.levels_up

),

folders_around as (

    select distinct around from begun

),

arounds as (

    select
        around,
        regexp_replace(replace(around, '#', '!'), '[0-9]+', '#', 'g') as around_shape

    from folders_around

),

placed as (

    select
        begun.provider,
        begun.bucket,
        begun.signature,
        begun.levels_up,
        begun.levels_down,
        begun.directory,
        begun.checkpoint_name,
        arounds.around_shape,
        begun.anchor_folder

    from begun

    left outer join arounds
        on begun.around = arounds.around

),

-- Runs call their saves alike; only the folder around differs from run to run.
names as (

    select distinct
        signature,
        levels_up,
        checkpoint_name,
        around_shape,
        anchor_folder

    from placed

),

shaped as (

    select
        *,
        regexp_replace(replace(checkpoint_name, '#', '!'), '[0-9]+', '#', 'g') as shape,
        regexp_replace(replace(anchor_folder, '#', '!'), '[0-9]+', '#', 'g') as anchor_shape

    from names

),

-- Few shapes stand for all names.
shapes as (

    select distinct
        proofs.layout_id,
        shaped.shape,
        shaped.around_shape

    from shaped

    inner join proofs
        on
            shaped.signature = proofs.signature
            and shaped.levels_up = proofs.levels_up

),

matched as (

    select
        shapes.layout_id,
        shapes.shape,
        shapes.around_shape,
        min(name_rules.name_rule) as name_rule

    from shapes

    inner join name_rules
        on shapes.layout_id = name_rules.layout_id

    where
        (name_rules.in_folder_shape is null or name_rules.in_folder_shape = shapes.around_shape)
        and (
            shapes.shape = name_rules.shape
            or (
                not name_rules.is_exact
                and starts_with(shapes.shape, name_rules.starts_text)
                and contains(shapes.shape, name_rules.contains_text)
                and ends_with(shapes.shape, name_rules.ends_text)
                and length(shapes.shape)
                >= length(name_rules.starts_text)
                + length(name_rules.contains_text)
                + length(name_rules.ends_text)
            )
        )

    group by all

),

proved as (

    select distinct
        shaped.signature,
        shaped.levels_up,
        shaped.checkpoint_name,
        shaped.around_shape,
        shaped.anchor_folder,
        matched.layout_id,
        matched.name_rule

    from shaped

    inner join proofs
        on
            shaped.signature = proofs.signature
            and shaped.levels_up = proofs.levels_up

    inner join matched
        on
            proofs.layout_id = matched.layout_id
            and shaped.shape = matched.shape
            and shaped.around_shape is not distinct from matched.around_shape

    where
        proofs.folder_shape is null
        or proofs.folder_shape = shaped.anchor_shape
        or starts_with(shaped.anchor_folder, proofs.folder_starts)

),

named as (

    select distinct
        placed.provider,
        placed.bucket,
        placed.directory,
        placed.checkpoint_name,
        proved.layout_id,
        proved.name_rule,
        placed.levels_down

    from placed

    inner join proved
        on
            placed.signature = proved.signature
            and placed.levels_up = proved.levels_up
            and placed.checkpoint_name = proved.checkpoint_name
            and placed.around_shape is not distinct from proved.around_shape
            and placed.anchor_folder = proved.anchor_folder

)

select * from named

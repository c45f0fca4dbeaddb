-- One row per complete checkpoint and metric that a file in it holds: whether it may be the best.
with

metrics as (

    select * from intermediate.int_checkpoint_metrics_ranked

    where told_in = 'file'

),

told as (

    select
        checkpoint_id,
        metric,
        measured,
        leaf,
        better,
        is_best,
        may_be_best,
        is_known_of_all

    from metrics

)

select * from told

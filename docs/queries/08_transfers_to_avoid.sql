-- Which transfers could be avoided, and how?
select
    kind,
    path,
    resource_id,
    team,
    gross_usd_month,
    avoidable_usd_month,
    confidence,
    how_to_fix
from marts.egress_findings
where avoidable_usd_month > 0
order by avoidable_usd_month desc, finding_id

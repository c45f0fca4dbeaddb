"""The registry answers as MLflow does."""

from pipelines.demo.registry import registrations, search_answer
from pipelines.domain.registry import model_versions


def test_the_project_reads_the_answer() -> None:
    production, archived = model_versions(search_answer(registrations()))

    assert production.stage == "Production"
    assert production.source == "s3://acme-training/runs/nlp/reward-7b/checkpoint-500"
    assert production.aliases == ("champion",)
    assert not archived.source.startswith("s3://acme-training/")


def test_pages_follow_one_another_to_the_end() -> None:
    token, seen = "", []
    while True:
        answer = search_answer(registrations(), token, 1)
        seen += [entry.version for entry in model_versions(answer)]
        token = str(answer.get("next_page_token", ""))
        if not token:
            break

    assert seen == ["4", "3"]

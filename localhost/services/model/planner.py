"""Answer a planning call as a model would: from the messages alone, with calls of the tools offered."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from localhost.services.model.explaining import Explainer
from localhost.services.model.query import Query
from localhost.services.model.reader import read_question
from localhost.services.model.reading import Reading, UnclearError
from localhost.services.model.requests import not_understood, out_of_scope, small_talk
from localhost.services.model.schema import Schema
from localhost.services.model.sql.writer import SqlWriter
from localhost.services.model.vocabulary import Vocabulary
from shared.catalog import Dataset, Language

_DATASET = re.compile(r"^<dataset>\s*$(.*?)^</dataset>\s*$", re.DOTALL | re.MULTILINE)
_LANGUAGE = re.compile(r"^Answer in:\s*(en|es)\b", re.MULTILINE)
_LANGUAGES: tuple[Language, ...] = ("en", "es")
_NO_DATASET: dict[Language, str] = {
    "en": "No dataset came with the question.",
    "es": "La pregunta llegó sin ningún conjunto de datos.",
}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool and what it is called with."""

    name: str
    arguments: Mapping[str, Any] | str
    """By name; or as the text that is to arrive, whatever it is."""


@dataclass(frozen=True, slots=True)
class Lexicons:
    """One dataset, with everything prepared that reading a question about it needs."""

    dataset: Dataset
    schema: Schema
    vocabularies: Mapping[Language, Vocabulary] = field(default_factory=dict[Language, Vocabulary])


def answer_language(system: str) -> Language:
    """Return the language that the system message asks for; English where it does not say."""
    found = _LANGUAGE.findall(system)
    return "es" if found and found[-1] == "es" else "en"


def plan(system: str, question: str, failures: Sequence[tuple[str, str]] = ()) -> list[ToolCall]:
    """Return the tool calls that answer ``question`` over the dataset in ``system``.

    Args:
        failures: statements of this question that did not run, each with its error.
    """
    language = answer_language(system)
    found = _DATASET.search(system)
    try:
        known = _lexicons(_without_missing(found.group(1).strip(), failures)) if found else None
    except ValidationError:
        known = None
    if known is None:
        return [_refusal(_NO_DATASET[language], [])]
    dataset = known.dataset
    if talk := small_talk(question, dataset, language):
        return [ToolCall("answer", {"text": talk})]
    if reason := out_of_scope(question, language):
        return [_refusal(reason, suggestions(dataset, language))]
    try:
        queries, reading = _read(question, known, language)
    except UnclearError as unclear:
        reason = not_understood(unclear.reason, unclear.words, dataset, language)
        return [_refusal(reason, suggestions(dataset, language, question))]
    calls = [_run_sql(query, reading, known.schema, language) for query in queries]
    return _retried(calls, failures)


def suggestions(dataset: Dataset, language: Language, question: str = "") -> list[str]:
    """Return three questions that the dataset answers, the likest to ``question`` first."""
    own = dataset.suggestions.get(language, [])
    words = set(question.lower().split())
    return sorted(own, key=lambda text: -len(words & set(text.lower().split())))[:3]


def _read(question: str, known: Lexicons, language: Language) -> tuple[list[Query], Reading]:
    """Read in the language of the answer, then in the other: a question need not be in the language of its answer."""
    failed: list[UnclearError] = []
    languages: list[Language] = [language, *(other for other in _LANGUAGES if other != language)]
    for spoken in languages:
        try:
            return read_question(
                question, known.schema, known.vocabularies[spoken], spoken, guess_names=spoken == language
            )
        except UnclearError as unclear:
            failed.append(unclear)
    # The reason in the language of the answer, unless the other understands most of what that did not.
    first, second = failed
    raise second if 2 * _strangeness(second) < _strangeness(first) else first


def _strangeness(unclear: UnclearError) -> int:
    return sum(len(word.split()) for word in unclear.words)


def _run_sql(query: Query, reading: Reading, schema: Schema, language: Language) -> ToolCall:
    sql = SqlWriter(schema, language).write(query)
    explainer = Explainer(schema, language)
    names = [f"{schema.dataset.namespace}.{table.name}" for table in schema.dataset.tables]
    arguments = {
        "sql": sql,
        "purpose": explainer.purpose(query),
        "assumptions": explainer.assumptions(query, reading),
        "tables": [name for name in names if re.search(rf"\b{re.escape(name)}\b", sql)],
    }
    return ToolCall("run_sql", arguments)


def _refusal(reason: str, questions: list[str]) -> ToolCall:
    return ToolCall("cannot_answer", {"reason": reason, "suggestions": questions})


def _retried(calls: list[ToolCall], failures: Sequence[tuple[str, str]]) -> list[ToolCall]:
    """Return only the call that mends the last failure, where it is plain which one that is."""
    if not failures or len(calls) < 2:
        return calls
    failed = failures[-1][0]
    likeness = [difflib.SequenceMatcher(None, failed, str(call.arguments)).ratio() for call in calls]
    best = max(likeness)
    return [calls[likeness.index(best)]] if best > 0.6 else calls


def _without_missing(text: str, failures: Sequence[tuple[str, str]]) -> str:
    """Leave out the columns that an error says are not there, so that the next statement does without them."""
    if not failures:
        return text
    content: dict[str, Any] = json.loads(text)
    for _, error in failures:
        if not re.search(
            r"UNRESOLVED_COLUMN|cannot be resolved|not found|does not exist|no such column", error, re.IGNORECASE
        ):
            continue
        missing = set(
            re.findall(r"\w+", error.split("did you mean", maxsplit=1)[0].split("Did you mean", maxsplit=1)[0])
        )
        for table in content["tables"]:
            kept = [c for c in table["columns"] if c["name"] not in missing or c["role"] in {"key", "label"}]
            table["columns"] = kept or table["columns"]
    return json.dumps(content)


@lru_cache(maxsize=8)
def _lexicons(text: str) -> Lexicons:
    dataset = Dataset.model_validate_json(text)
    return Lexicons(dataset, Schema(dataset), {spoken: Vocabulary(dataset, spoken) for spoken in _LANGUAGES})

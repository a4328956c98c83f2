"""Recognise what is not a question about the data: greetings, requests to change it, to foretell, to judge."""

import re

from localhost.services.model.lexicon import CHANGES, FORECASTS, OPINIONS
from localhost.services.model.text import fold
from shared.catalog import Dataset, Language

_GREETING = re.compile(
    r"^(hi|hello|hey|good (morning|afternoon|evening)|howdy|greetings|thanks|thank you|thx|cheers|great|ok|okay|perfect"
    r"|hola|buenas( tardes| noches)?|buenos dias|que tal|saludos|gracias|muchas gracias|perfecto|vale|genial)"
    r"( there| all| everyone| very much| a lot| so much| a todos)?"
    r"( how are you( doing)?( today)?| como estas| que tal)?$"
)
_ABILITY = re.compile(
    r"(what (can|could) (you|i) (do|ask|answer)|what do you (do|know|answer)|who are you|what are you|^help( me)?$"
    r"|how (do|can) (you|i) (work|help|use)|what questions|what (kinds?|sorts?|types?) of questions"
    r"|what data (do|is|are)|which (data|tables|datasets)|what is (this|in the data)"
    r"|que (puedes|sabes|podrias) (hacer|responder|contestar)|que puedo (preguntar|preguntarte)|quien eres|que eres"
    r"|^ayuda(me)?$|como funcionas|como funciona esto|que (tipo de )?preguntas|que datos (tienes|hay)"
    r"|en que (me )?puedes ayudar|para que sirves)"
)
_POLITE = frozenset("please can could would you i want to por favor puedes podrias quiero me now just and".split())
_TEXTS: dict[Language, dict[str, str]] = {
    "en": {
        "hello": "Hello. I answer questions about {title} by querying the data. You could ask: {questions}",
        "able": "I answer questions about {title}: rankings, counts, averages, comparisons, trends and single "
        "facts, with filters. This is a rule-based stand-in for a language model; set AZURE_OPENAI_ENDPOINT to use a "
        "real one. You could ask: {questions}",
        "change": "This only reads: it cannot change or delete data (“{word}”).",
        "forecast": "The data says what was, not what will be (“{word}”).",
        "opinion": "The data holds facts, not reasons or opinions (“{word}”).",
        "unknown": "I do not understand {words} here, so an answer would be about something else. "
        "If it is a name or a title, put it in quotes.",
        "leftover": "I understand {words} but not what to do with it in this question, so I would rather not guess.",
        "nothing": "I cannot find a question about {title} in this.",
        "share": "I cannot tell what share of what is asked for.",
        "count": "I cannot tell what is to be counted by what in this question.",
        "stand_in": " (A rule-based stand-in answered this; with AZURE_OPENAI_ENDPOINT set, a language model does.)",
    },
    "es": {
        "hello": "Hola. Respondo preguntas sobre {title} consultando los datos. Puedes preguntar: {questions}",
        "able": "Respondo preguntas sobre {title}: clasificaciones, recuentos, medias, comparaciones, tendencias y "
        "datos sueltos, con filtros. Esto es un sustituto con reglas de un modelo de lenguaje; con "
        "AZURE_OPENAI_ENDPOINT "
        "se usa uno de verdad. Puedes preguntar: {questions}",
        "change": "Aquí solo se leen datos: no se pueden cambiar ni borrar («{word}»).",
        "forecast": "Los datos dicen lo que fue, no lo que será («{word}»).",
        "opinion": "Los datos contienen hechos, no motivos ni opiniones («{word}»).",
        "unknown": "No entiendo {words} en esta pregunta, así que la respuesta sería sobre otra cosa. "
        "Si es un nombre o un título, ponlo entre comillas.",
        "leftover": "Entiendo {words}, pero no qué hacer con ello en esta pregunta, y prefiero no adivinar.",
        "nothing": "No encuentro aquí una pregunta sobre {title}.",
        "share": "No queda claro qué parte de qué se pide.",
        "count": "No queda claro qué hay que contar y por qué en esta pregunta.",
        "stand_in": " (Responde un sustituto con reglas; con AZURE_OPENAI_ENDPOINT responde un modelo de lenguaje.)",
    },
}


def small_talk(question: str, dataset: Dataset, language: Language) -> str | None:
    """Return the answer to a greeting or to "what can you do", or None."""
    plain = " ".join(re.findall(r"[\w']+", fold(question)))
    if _GREETING.match(plain):
        key = "hello"
    elif len(plain.split()) <= 12 and _ABILITY.search(plain):
        key = "able"
    else:
        return None
    questions = " · ".join(dataset.suggestions.get(language, [])[:3])
    return _TEXTS[language][key].format(title=title(dataset, language), questions=questions)


def out_of_scope(question: str, language: Language) -> str | None:
    """Return why a request to change, foretell or judge is not answered; None for anything else."""
    unquoted = re.sub(r"\"[^\"]*\"|“[^”]*”|«[^»]*»|'[^']*'", " ", question)
    words = re.findall(r"\w+", fold(unquoted))
    first = next((word for word in words if word not in _POLITE), "")
    if first in CHANGES:
        return _TEXTS[language]["change"].format(word=first)
    written = re.findall(r"\w+", unquoted)
    for key, telling in (("forecast", FORECASTS), ("opinion", OPINIONS)):
        for at, word in enumerate(written):
            named = at > 0 and word[0].isupper()  # "Will Smith" is no forecast
            if fold(word) in telling and not named:
                return _TEXTS[language][key].format(word=word)
    return None


def not_understood(reason: str, words: tuple[str, ...], dataset: Dataset, language: Language) -> str:
    """Return the sentence that says which words stood in the way."""
    quoted = ", ".join(f"“{word}”" if language == "en" else f"«{word}»" for word in dict.fromkeys(words))
    texts = _TEXTS[language]
    return texts.get(reason, texts["nothing"]).format(words=quoted, title=title(dataset, language)) + texts["stand_in"]


def title(dataset: Dataset, language: Language) -> str:
    """Return what the dataset is called."""
    return dataset.title.get(language) or dataset.name

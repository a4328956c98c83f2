"""Which of the product's languages a question is asked in.

Two languages and short questions: function words and Spanish letters decide better than a trained detector,
which takes a film's title for the language of the question.
"""

import re
from typing import Literal

type Language = Literal["en", "es"]

_SPANISH_LETTERS = re.compile(r"[¿¡ñáéíóúü]", re.IGNORECASE)
_SPANISH = frozenset(
    "el la los las un una unos unas de del al y o que qué cual cuál cuales cuáles cuantos cuántos cuantas cuántas "
    "cuanto cuánto quien quién quienes quiénes cuando cuándo donde dónde como cómo por para con sin entre desde hasta "
    "antes después despues más mas menos mejor mejores peor peores es son fue fueron hay tiene tienen su sus lo se en "
    "hola buenas gracias anterior anteriores posterior posteriores primer primera primeros primeras ultimo último "
    "ultima última dura duran duracion valoracion nota votos genero generos decada decadas directores "
    "comedias dime muestra muéstrame muestrame dame lista compara año años cada según segun película "
    "peliculas películas".split()
)
_ENGLISH = frozenset(
    "the a an of and or what which who whom whose when where how why many much is are was were do does did has have "
    "with without by for from to in on at between since until before after more less most least best worst top show "
    "list give tell compare me each per than all any there year years movie movies film films".split()
)


def detect_language(text: str) -> Language:
    """Return the language ``text`` is written in; English when nothing speaks for Spanish.

    Quoted parts are titles and names, so they do not count.
    """
    unquoted = re.sub(r"\"[^\"]*\"|“[^”]*”|«[^»]*»", " ", text)
    words = re.findall(r"[^\W\d_]+", unquoted.lower())
    spanish = sum(word in _SPANISH for word in words) + 0.5 * len(_SPANISH_LETTERS.findall(unquoted))
    english = sum(word in _ENGLISH for word in words)
    return "es" if spanish > english else "en"

"""The language of a question, from its function words and letters."""

import pytest

from shared.language import detect_language


@pytest.mark.parametrize(
    "question",
    [
        "What are the 5 best films?",
        "how many movies came out in 1999",
        "Titanic",
        'Who directed "El laberinto del fauno"?',
        "average rating per genre",
        "",
    ],
)
def test_english_is_english_even_around_a_spanish_title(question: str) -> None:
    assert detect_language(question) == "en"


@pytest.mark.parametrize(
    "question",
    [
        "¿Cuáles son las 5 mejores películas?",
        "cuantas peliculas hay de 1999",
        'quién dirigió "The Land Girls"',
        "promedio de votos por género",
        "dime la película más larga",
        "películas con más de 10.000 votos",
    ],
)
def test_spanish_is_spanish_with_and_without_accents(question: str) -> None:
    assert detect_language(question) == "es"

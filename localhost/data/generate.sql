-- Invented titles and people, as DuckDB macros. generate.py defines the word lists, seed(), directors(),
-- cast_size() and crew_size() before.

-- 64 bits that depend on nothing but the seed, the purpose and the number; md5, because its value will never change.
CREATE MACRO bits(purpose, number) AS md5_number_lower(concat(seed(), ':', purpose, ':', number));

-- Four draws of 16 bits or two of 32 bits from those, each from 0 to below 1.
CREATE MACRO draw(hash, part) AS ((hash >> (16 * part)) & 65535)::DOUBLE / 65536;
CREATE MACRO wide_draw(hash, part) AS ((hash >> (32 * part)) & 4294967295)::DOUBLE / 4294967296;
CREATE MACRO pick(words, x) AS words[1 + floor(x * len(words))::INT];
CREATE MACRO capital(word) AS upper(word[1]) || word[2:];

CREATE MACRO tconst(number) AS 'tt' || lpad((number + 1)::VARCHAR, greatest(7, len((number + 1)::VARCHAR))::INT, '0');
CREATE MACRO nconst(number) AS 'nm' || lpad((number + 1)::VARCHAR, greatest(7, len((number + 1)::VARCHAR))::INT, '0');

CREATE MACRO adjective(hash, part) AS capital(pick(adjectives(), draw(hash, part)));
CREATE MACRO noun(hash, part) AS capital(pick(nouns(), draw(hash, part)));
CREATE MACRO place(hash) AS pick(place_starts(), draw(hash, 0)) || pick(place_ends(), draw(hash, 1));
CREATE MACRO surname(hash) AS pick(surname_starts(), draw(hash, 0)) || pick(surname_ends(), draw(hash, 1));
CREATE MACRO first_name(hash) AS pick(if(draw(hash, 2) < 0.5, women(), men()), draw(hash, 3));

CREATE MACRO title_of(form, a, b) AS CASE
    WHEN form < 0.08 THEN format('The {} {}', adjective(a, 0), noun(a, 1))
    WHEN form < 0.22 THEN format('The {} of {}', noun(a, 1), place(b))
    WHEN form < 0.40 THEN format('The {} {} of {}', adjective(a, 0), noun(a, 1), place(b))
    WHEN form < 0.48 THEN format('{} {}', pick(gerunds(), draw(a, 2)), place(b))
    WHEN form < 0.58 THEN format('The {} {}', surname(b), pick(endings(), draw(a, 2)))
    WHEN form < 0.66 THEN format('{} {}''s {}', first_name(b), surname(b), noun(a, 1))
    WHEN form < 0.72 THEN format('{} and the {} {}', first_name(b), adjective(a, 0), noun(a, 1))
    WHEN form < 0.80 THEN format('{} {}, {} {}', adjective(a, 0), noun(a, 1), adjective(a, 2), noun(a, 3))
    WHEN form < 0.86 THEN format('A {} in {}', noun(a, 1), place(b))
    WHEN form < 0.91 THEN format('{}: The {} {}', place(b), adjective(a, 0), noun(a, 1))
    WHEN form < 0.94 THEN format('The "{}" {} of {}', adjective(a, 0), noun(a, 1), place(b))
    WHEN form < 0.96 THEN format('¿Dónde está {} {}?', first_name(b), surname(b))
    WHEN form < 0.98 THEN format('El último verano de {} {}', first_name(b), surname(b))
    ELSE format('L''été à {}, {}', place(b), noun(a, 1))
END;

-- A list of one word twice is the word once; IMDb names at most three, in the order of the alphabet.
CREATE MACRO genres_of(hash, kind) AS array_to_string(list_sort(list_distinct(list_filter([
    if(kind IN ('short', 'tvShort'), 'Short', NULL),
    pick(genres(), draw(hash, 0)),
    if(draw(hash, 3) < 0.55, pick(genres(), draw(hash, 1)), NULL),
    if(draw(hash, 3) < 0.20 AND kind NOT IN ('short', 'tvShort'), pick(genres(), draw(hash, 2)), NULL)
], lambda genre : genre IS NOT NULL))), ',');

CREATE MACRO minutes_of(kind, x, y) AS (CASE
    WHEN kind IN ('movie', 'tvMovie', 'video') THEN 62 + 40 * (x + y) + 70 * pow(y, 6)
    WHEN kind IN ('short', 'tvShort') THEN 3 + 30 * x * y
    WHEN kind = 'tvSpecial' THEN 40 + 60 * x
    ELSE 20 + 5 * floor(9 * x * y)
END)::INT;

CREATE MACRO titles_between(first, last) AS TABLE
    WITH hashed AS (
        SELECT i, bits('form', i) AS f, bits('words', i) AS a, bits('names', i) AS b, bits('genres', i) AS g,
               bits('facts', i) AS x, bits('more', i) AS y, bits('rating', i) AS r
        FROM range(first, last) AS numbers (i)
    ), typed AS (
        SELECT *, pick(types(), draw(f, 0)) AS kind, draw(x, 0) AS age, 2024 - floor(110 * pow(age, 2.2))::INT AS began
        FROM hashed
    )
    SELECT i, r, kind, age, began,
           tconst(i) AS tconst,
           kind AS "titleType",
           title_of(draw(f, 1), a, b) AS "primaryTitle",
           if(draw(f, 2) < 0.1, title_of(0.94 + 0.06 * draw(f, 3), a, b), title_of(draw(f, 1), a, b)) AS "originalTitle",
           draw(y, 3) < 0.003 AS "isAdult",
           if(draw(x, 1) < 0.015, NULL, began) AS "startYear",
           if(kind IN ('tvSeries', 'tvMiniSeries') AND draw(x, 1) >= 0.015 AND draw(x, 2) < 0.7,
              least(2024, began + floor(if(kind = 'tvSeries', 12, 2) * pow(draw(x, 3), 2))::INT), NULL) AS "endYear",
           if(draw(y, 0) < if(kind IN ('videoGame', 'tvSeries'), 0.6, 0.12), NULL,
              minutes_of(kind, draw(y, 1), draw(y, 2))) AS "runtimeMinutes",
           CASE WHEN draw(y, 3) < 0.003 THEN 'Adult' WHEN draw(f, 3) < 0.015 THEN NULL ELSE genres_of(g, kind) END
               AS genres,
           -- Few have very many votes, most have few, and four in ten have none.
           if(draw(r, 0) < 0.62, 5 + floor(pow(10, 0.9 + 5.3 * pow(draw(r, 1), 3)))::INT, NULL) AS votes
    FROM typed;

-- One chunk at a time lies here.
CREATE TABLE titles AS FROM titles_between(0, 0);

CREATE VIEW ratings_of_titles AS
    SELECT tconst,
           round(greatest(1, least(9.8, 5.4 + 2.4 * (draw(r, 2) + draw(r, 3) + draw(a, 0) + draw(a, 1) - 2)
                                        + 0.25 * log10(votes))), 1) AS "averageRating",
           votes AS "numVotes"
    FROM (SELECT *, bits('more rating', i) AS a FROM titles WHERE votes IS NOT NULL) ORDER BY i;

-- Who is a woman is fixed with the number, as is the name.
CREATE MACRO is_woman(person) AS draw(bits('person', person), 0) < 0.45;

-- One of `size` people for a title at `age` (0: the newest, 1: the oldest), given two draws. Who is near in number
-- works at the same time, so that nobody has a career of a century; every tenth has much more to do.
CREATE MACRO somebody(size, age, x, y) AS
    floor(size * (0.85 * age + 0.15 * x))::BIGINT // if(y < 0.3, 10, 1) * if(y < 0.3, 10, 1);
CREATE MACRO a_director(age, x, y) AS somebody(directors(), age, x, y);
CREATE MACRO a_player(age, x, y) AS directors() + somebody(cast_size(), age, x, y);
CREATE MACRO a_technician(age, x, y) AS directors() + cast_size() + somebody(crew_size(), age, x, y);

-- Fourteen places a title: seven for the cast, two directors, two writers, producer, composer, cinematographer
-- (the last two also tell whether there is an editor). `has` says which of them are taken.
CREATE VIEW principals_of_titles AS
    WITH placed AS (
        SELECT i, age, began, votes, genres, slot, bits('principal', i * 16 + slot) AS h, t.x AS x,
               a_director(age, wide_draw(t.x, 0), draw(t.x, 3)) AS director
        FROM (SELECT *, bits('principals', i) AS x FROM titles) AS t, range(14) AS slots (slot)
    ), credited AS (
        SELECT *, CASE
            WHEN slot < 7 THEN if(slot < floor(8 * draw(x, 2)), if(draw(h, 0) < 0.03, a_director(age, wide_draw(h, 1), draw(h, 1)), a_player(age, wide_draw(h, 1), draw(h, 1))), NULL)
            WHEN slot = 7 THEN if(draw(h, 0) < 0.93, director, NULL)
            WHEN slot = 8 THEN if(draw(h, 0) < 0.06, a_director(age, wide_draw(h, 1), draw(h, 1)), NULL)
            WHEN slot = 9 THEN if(draw(h, 0) < 0.75, if(draw(h, 1) < 0.4, director, a_technician(age, wide_draw(h, 1), (draw(h, 1) - 0.4) / 0.6)), NULL)
            WHEN slot = 10 THEN if(draw(h, 0) < 0.25, a_technician(age, wide_draw(h, 1), draw(h, 1)), NULL)
            WHEN slot = 11 THEN if(draw(h, 0) < 0.5, a_technician(age, wide_draw(h, 1), draw(h, 1)), NULL)
            ELSE if(draw(h, 0) < 0.35, a_technician(age, wide_draw(h, 1), draw(h, 1)), NULL)
        END AS person
        FROM placed
    ), named AS (
        SELECT *, CASE
            WHEN slot < 7 AND contains(genres, 'Documentary') THEN 'self'
            WHEN slot < 7 THEN if(is_woman(person), 'actress', 'actor')
            WHEN slot < 9 THEN 'director'
            WHEN slot < 11 THEN 'writer'
            WHEN slot = 11 THEN 'producer'
            WHEN slot = 12 THEN 'composer'
            ELSE if(draw(h, 1) < 0.5, 'cinematographer', 'editor')
        END AS category, bits('character', i * 16 + slot) AS c
        FROM credited WHERE person IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY i, person, slot >= 7, slot >= 9, slot >= 11 ORDER BY slot) = 1
    )
    SELECT i, began, votes, person,
           tconst(i) AS tconst,
           row_number() OVER (PARTITION BY i ORDER BY slot) AS ordering,
           nconst(person) AS nconst,
           category,
           CASE category
               WHEN 'writer' THEN pick([NULL, NULL, 'screenplay', 'story by', 'novel'], draw(c, 0))
               WHEN 'producer' THEN 'producer'
           END AS job,
           CASE
               WHEN category = 'self' THEN '["Self"]'
               WHEN category NOT IN ('actor', 'actress') OR draw(c, 1) < 0.12 THEN NULL
               WHEN draw(c, 1) < 0.62 THEN format('["{}"]', pick(if(category = 'actress', women(), men()), draw(c, 2)))
               WHEN draw(c, 1) < 0.90 THEN format('["{} {}"]', pick(if(category = 'actress', women(), men()), draw(c, 2)), surname(c))
               WHEN draw(c, 1) < 0.94 THEN format('["Dr. {}"]', surname(c))
               WHEN draw(c, 1) < 0.97 THEN format('["{}","{}"]', surname(c), pick(['Narrator', 'Old Man', 'Guard'], draw(c, 2)))
               ELSE format('["{} \"The {}\" {}"]', pick(if(category = 'actress', women(), men()), draw(c, 2)), noun(c, 3), surname(c))
           END AS characters
    FROM named ORDER BY i, slot;

CREATE TABLE principals AS FROM principals_of_titles;

CREATE VIEW credits_of_titles AS
    SELECT person, i, began, coalesce(votes, 0) AS votes, category FROM principals;

CREATE TABLE credited AS FROM credits_of_titles;

CREATE VIEW people_credited AS
    WITH worked AS (
        SELECT person, i, min(began) AS began, max(votes) AS votes, list(category) AS categories
        FROM credited GROUP BY person, i
    ), lives AS (
        SELECT person, bits('person', person) AS h, bits('life', person) AS l, min(began) AS began,
               list_sort(list_distinct(flatten(list(categories))))[:3] AS categories,
               -- No two titles of one person have the same number, so the order is the same every time.
               max_by(i, votes::HUGEINT * 4294967296 + i, 4) AS known
        FROM worked GROUP BY person
    ), born AS (
        SELECT *, if(draw(l, 0) < 0.55, began - 20 - floor(35 * draw(l, 1))::INT, NULL) AS born FROM lives
    )
    SELECT nconst(person) AS nconst,
           concat_ws(' ', pick(if(is_woman(person), women(), men()), draw(h, 1)),
                     if(draw(h, 2) < 0.3, chr(65 + floor(26 * draw(h, 3))::INT) || '.', NULL),
                     surname(bits('surname', person))) AS "primaryName",
           born AS "birthYear",
           if(born + 50 + floor(45 * draw(l, 2)) < 2024, born + 50 + floor(45 * draw(l, 2))::INT, NULL) AS "deathYear",
           array_to_string(categories, ',') AS "primaryProfession",
           array_to_string(list_transform(known, lambda title : tconst(title)), ',') AS "knownForTitles"
    FROM born ORDER BY person;

"""The words of questions in general, by what they do; a dataset brings its own words for what is in it.

Nothing here is about any one dataset. Phrases are parted by ``|`` and compared folded (see ``text.fold``).
"""

from enum import StrEnum, auto


class Tag(StrEnum):
    """What a word does in a question."""

    FILLER = auto()
    ARTICLE = auto()
    OF = auto()
    IN = auto()
    TO = auto()
    BY = auto()
    WITH = auto()
    THAN = auto()
    AND = auto()
    OR = auto()
    NOT = auto()
    WITHOUT = auto()
    BE = auto()
    HAVE = auto()
    DO = auto()
    WHICH = auto()
    WHO = auto()
    WHEN = auto()
    HOW_MANY = auto()
    NUMBER_OF = auto()
    AVERAGE = auto()
    SUM = auto()
    MAXIMUM = auto()
    MINIMUM = auto()
    MEDIAN = auto()
    MOST = auto()
    LEAST = auto()
    TOP = auto()
    BOTTOM = auto()
    FIRST = auto()
    LAST = auto()
    AT_LEAST = auto()
    MORE_THAN = auto()
    AT_MOST = auto()
    LESS_THAN = auto()
    EXACTLY = auto()
    OR_MORE = auto()
    OR_LESS = auto()
    BETWEEN = auto()
    FROM = auto()
    BEFORE = auto()
    AFTER = auto()
    SINCE = auto()
    UNTIL = auto()
    PER = auto()
    EACH = auto()
    SORTED = auto()
    ASCENDING = auto()
    DESCENDING = auto()
    TREND = auto()
    COMPARE = auto()
    VERSUS = auto()
    PERCENT = auto()
    DISTINCT = auto()
    CONTAINS = auto()
    STARTS = auto()
    ENDS = auto()
    CALLED = auto()
    THE_WORD = auto()
    ABOUT = auto()
    BOTH = auto()
    COMMON = auto()
    RARE = auto()
    YEAR = auto()
    DECADE = auto()
    MONTH = auto()
    KNOWN = auto()
    VALUE = auto()


_EN: dict[Tag, str] = {
    Tag.FILLER: (
        "please | can you | could you | would you | can i | i want | i want to | i would like | i would like to | id like "
        "| i d like | id like to | like to | know | see | me | us | show | show me | list | give | give me | tell | tell me "
        "| find | find me | get | get me | display | return | present | let me know | i need | i need to | need | do you know "
        "| do you have | you | i | kindly | hi | hello | hey | thanks | thank you | also | just | only | all | any | some "
        "| out there | there | that | which were | who were | their | its | it | they | them | those | these | this | one | ones "
        "| the list of | a list of | names | the names of | the name of | overall | so far | ever | ever made | of all time | all time | in history | exist "
        "| exists | existing | available | in total | altogether | in the dataset | in the database | in the data "
        "| in the catalog | in the catalogue | in this dataset | in this database | in your data | in your database | in the collection | on record | recorded "
        "| in the table | dataset | database | data | collection | catalogue | now | then | exactly what | actually | really | was it | been | being | "
        "what about | how about | i wonder | wondering | i was wondering | would | will you | may i | might | curious | quickly | quick question | question | "
        "have you got | got | get to know | find out | figure out | check | look up | pull up | fetch | bring up | provide | report | output | results | result | entries | "
        "at all | if | whose | whom | whats | please tell me | belong | belongs | belonging | fall | falls | falling | classified | categorized | "
        "categorised | labelled | labeled | tagged | listed | marked | take | takes | ranking | rank | ranked | how | as | so | such | hold | holds | held | achieve | achieved | earned | "
        "got the | received | receive | receives | gets | getting | go | goes | went | we | our | my | be called | order | terms | in terms | "
        "scoring | having been | come | comes | each of | counting"
    ),
    Tag.ARTICLE: "the | a | an",
    Tag.OF: "of | for | among | amongst | out of | across | within",
    Tag.IN: "in | on | at | during | throughout | into",
    Tag.TO: "to | through | thru | till | up until",
    Tag.BY: "by",
    Tag.WITH: "with",
    Tag.THAN: "than",
    Tag.AND: "and | & | plus | as well as",
    Tag.OR: "or | /",
    Tag.NOT: "not | except | excluding | other than | except for | apart from | but not | and not | exclude | isnt | arent | werent | wasnt | never | rather than",
    Tag.WITHOUT: "without | missing | lacking | lack | lacks | no | that have no | with no | has no | have no | having no | not have | do not have | does not have | did not have | not have any | do not have any | that do not have | unknown | without any",
    Tag.BE: "is | are | was | were | be | been",
    Tag.HAVE: "has | have | had | having",
    Tag.DO: "do | does | did",
    Tag.WHICH: "which | what | what kind of | what kinds of | what is | what are | what was | what were | which one | which ones | which is | which are | which was | which were | what s | whats the",
    Tag.WHO: "who | whom | who is | who was | who are | who were | who has | who s",
    Tag.WHEN: "when | when was | when were | when is | when did",
    Tag.HOW_MANY: "how many | how much | how many are there | how often",
    Tag.NUMBER_OF: "number of | the number of | count | count of | count the | total number of | amount of | quantity of | total count of | total count | counts | numbers of | number | tally",
    Tag.AVERAGE: "average | avg | mean | on average | averaged | averages | typical | typically | averaging",
    Tag.SUM: "sum | total | sum of | total of | combined | cumulative | overall total | add up | sum up | in all",
    Tag.MAXIMUM: "maximum | max",
    Tag.MINIMUM: "minimum | min",
    Tag.MEDIAN: "median",
    Tag.MOST: "most | highest | greatest | largest | biggest | higher | larger | bigger | more | maximum number of | high | large | greater | record",
    Tag.LEAST: "least | lowest | fewest | smallest | lower | smaller | fewer | less | low",
    Tag.TOP: "top",
    Tag.BOTTOM: "bottom",
    Tag.FIRST: "first | very first",
    Tag.LAST: "last | final",
    Tag.AT_LEAST: "at least | no less than | no fewer than | not less than | not fewer than | a minimum of | minimum of | minimum | min | >= | or more than | greater than or equal to | more than or equal to | at a minimum | with minimum | not under | not below | no lower than | not lower than | at minimum",
    Tag.MORE_THAN: "more than | over | above | greater than | higher than | larger than | bigger than | exceeding | exceed | exceeds | > | upwards of | in excess of | beyond | better than | longer than | past | superior to | north of | surpassing",
    Tag.AT_MOST: "at most | no more than | not more than | up to | a maximum of | maximum of | <= | less than or equal to | not over | not above | no longer than | not longer than | not exceeding | no higher than | at the most",
    Tag.LESS_THAN: "less than | under | below | fewer than | lower than | smaller than | < | shorter than | worse than | beneath",
    Tag.EXACTLY: "exactly | equal to | equals | = | precisely | just",
    Tag.OR_MORE: "or more | or higher | or above | or better | or greater | or longer | or over | and above | and up | and over | plus | + | or later | or newer | and later | or after | onwards | onward | and onwards | and after | on | or so and up | minimum | at least | and higher | and newer",
    Tag.OR_LESS: "or less | or fewer | or lower | or below | or under | or shorter | and below | and under | or worse | or earlier | or older | and earlier | or before | and before | and older | at most | maximum | max | tops | and lower",
    Tag.BETWEEN: "between | ranging from | in the range | in the range of",
    Tag.FROM: "from | dating from | dated",
    Tag.BEFORE: "before | prior to | earlier than | older than | preceding | until before",
    Tag.AFTER: "after | later than | newer than | following | more recent than | subsequent to",
    Tag.SINCE: "since | starting in | starting from | from the year | beginning in | as of | as from",
    Tag.UNTIL: "until | till | up to | through | no later than | by the end of | up until",
    Tag.PER: "per | for each | for every | in each | in every | grouped by | group by | broken down by | break down by | breakdown by | split by | segmented by | by each | of each | of every | distributed by | for each of the | within each | a breakdown by | distribution by | distribution of | distribution across | distributed across | across the | across | distributed over | depending on | according to | arranged by | separated by | divided by | from each | from every | by the",
    Tag.EACH: "each | every",
    Tag.SORTED: "sorted by | ordered by | order by | sort by | ranked by | rank by | ranking by | in order of | based on | when ranked by | sorted | ordered | sort | measured by | judging by | when sorted by | going by",
    Tag.ASCENDING: "ascending | in ascending order | from lowest to highest | lowest first | from low to high | oldest first | shortest first | alphabetically | from oldest to newest",
    Tag.DESCENDING: "descending | in descending order | from highest to lowest | highest first | from high to low | newest first | longest first | best first",
    Tag.TREND: "trend | trends | trended | over time | over the years | through the years | across the years | over the decades | across the decades | across decades | across years | year by year | year over year | year on year | decade by decade | evolution | evolve | evolved | evolves | evolving | change over time | changed over time | change | changed | changes | changing | development | developed | progression | progressed | historically | over years | through time | by the year | by the decade | through the decades | grown | grow | declined | increased | decreased | increase | decrease | going up | going down | timeline | timeline of | time series | with time | as time goes by | getting",
    Tag.COMPARE: "compare | comparison | comparison of | comparing | compared | comparison between | difference between | differences between | difference in | difference | contrast | differ | put side by side | side by side | compares | compare to",
    Tag.VERSUS: "vs | versus | against | compared to | compared with | v | as opposed to | in comparison to | in comparison with",
    Tag.PERCENT: "percentage | percent | percentage of | percent of | % | % of | share | share of | proportion | proportion of | fraction | fraction of | what fraction of | ratio of | part of",
    Tag.DISTINCT: "different | distinct | unique | separate | various",
    Tag.CONTAINS: "containing | contain | contains | contained | include | includes | including | mention | mentions | mentioning | with the word | with the words | has the word | have the word | that contain | that contains | having the word",
    Tag.STARTS: "starting with | start with | starts with | begin with | begins with | beginning with | that start with | that begin with",
    Tag.ENDS: "ending in | ending with | end with | end in | ends with | ends in | that end with",
    Tag.CALLED: "called | named | titled | entitled | known as | by the name of | with the title | with the name",
    Tag.THE_WORD: "the word | word | words | the words | the text | text | the term | term | the phrase | phrase | the string | string | the letters",
    Tag.ABOUT: "tell me about | tell me more about | tell me something about | information about | information on | info about | info on | details about | details of | details on | details for | describe | what do you know about | facts about | everything about | give me details about | give me information about | anything about | what can you tell me about | show me information about | data about | data on | learn about",
    Tag.BOTH: "both | at the same time | simultaneously",
    Tag.COMMON: "common | frequent | most common | most frequent | most often | commonest | most numerous | most frequently | prolific | most prolific | productive | most productive | most active | dominant | most represented | busiest | predominant | most used",
    Tag.RARE: "rare | rarest | least common | least frequent | uncommon | least prolific | least active | least represented",
    Tag.YEAR: "year | years | yearly | annual | annually | by year | per year | each year | calendar year | in each year | per annum",
    Tag.DECADE: "decade | decades | by decade | per decade | each decade",
    Tag.MONTH: "month | months | monthly | by month | per month | each month",
    Tag.KNOWN: "known | with a known | with known | that have a | that have an | which have a | with any | having a | with a | has a | have a | have an | with an | given",
    Tag.VALUE: "value | values | level | levels",
}

_ES: dict[Tag, str] = {
    Tag.FILLER: (
        "por favor | puedes | podrias | puede | podria | podrias decirme | me puedes decir | quiero | quisiera | quiero saber | quisiera saber "
        "| me gustaria | me gustaria saber | me gustaria ver | necesito | necesito saber | dime | dame | muestra | muestrame | mostrar | ensename | lista "
        "| listame | listar | lista de | una lista de | un listado de | listado de | listado | enumera | encuentra | busca | buscame | obten | saca | saber | ver | conocer | me | nos | "
        "hola | buenas | buenos dias | gracias | tambien | solo | solamente | todas | todos | toda | todo | algun | alguna | algunas | algunos | que hay | se | le | les | lo "
        "| su | sus | esas | esos | estas | estos | este | esta | esa | ese | las cuales | los cuales | decirme | indicame | indica | di | oye | a ver "
        "| de la historia | en la historia | de todos los tiempos | en total | existen | existe | en el conjunto de datos | en la base de datos | en los datos "
        "| en el catalogo | del catalogo | de la base de datos | de la coleccion | registradas | registrados | disponibles | nombres | los nombres de | el nombre de | los titulos de | actualmente | ahora | ranking | "
        "pertenecen | pertenece | clasificadas | clasificados | ordenadas | ordenados | haber | habido | sido | ser | cuyo | cuya | cuyos | cuyas | cual seria | seria | como | tal | asi | "
        "resultado | resultados | dar | quisiera ver | informe | si | donde | tanto | segun los datos | yo | tu | usted | obtuvo | obtuvieron | obtiene | obtienen | recibio | recibieron | recibe | reciben | consiguio | "
        "acumula | acumulan | alcanza | alcanzan | alcanzo | hacer | haga | hagas | realizar | conseguir | hasta ahora | hasta hoy | jamas | catalogadas | etiquetadas | marcadas | puedo | quien sabe | una pregunta | pregunta | cuentame | mismo | misma | orden | a nivel | "
        "del conjunto de datos | del conjunto | datos | base de datos | por lo general | en general | generalmente"
    ),
    Tag.ARTICLE: "el | la | los | las | un | una | unos | unas | lo",
    Tag.OF: "de | del | de la | de las | de los | para | para las | entre todas | sobre las | sobre los",
    Tag.IN: "en | durante | a lo largo de | en el | en la | a",
    Tag.TO: "a | hasta | al",
    Tag.BY: "por | segun",
    Tag.WITH: "con | que tienen | que tengan | que tiene | que tenga | que tuvieron",
    Tag.THAN: "que",
    Tag.AND: "y | e | ademas de | junto con | asi como",
    Tag.OR: "o | u | o bien",
    Tag.NOT: "no | excepto | salvo | menos las de | excluyendo | que no | que no sean | que no son | no sean | que no sea | aparte de | distintas de | exceptuando | no son | nunca",
    Tag.WITHOUT: "sin | que no tienen | que no tengan | no tienen | no tiene | no tengan | que carecen de | carecen de | sin ningun | sin ninguna | desconocido | desconocida | falta | faltan | les falta | que no tiene",
    Tag.BE: "es | son | fue | fueron | era | eran | esta | estan | sea | sean",
    Tag.HAVE: "tiene | tienen | tenga | tengan | tuvo | tuvieron | hay | ha | han | hubo | tenian | tenia | posee | poseen | cuenta con | cuentan con | habia",
    Tag.DO: "hizo",
    Tag.WHICH: "que | cual | cuales | cual es | cuales son | cual fue | cuales fueron | que tipo de | cual de | cual ha sido",
    Tag.WHO: "quien | quienes | quien es | quienes son | a quien | quien fue | quien ha | quienes han",
    Tag.WHEN: "cuando | cuando fue | cuando se",
    Tag.HOW_MANY: "cuantas | cuantos | cuanto | cuanta | cuantas veces",
    Tag.NUMBER_OF: "numero de | el numero de | cantidad de | la cantidad de | cuenta | cuentame | contar | conteo | conteo de | recuento | recuento de | numero total de | total de | cantidad total de | numero | cantidad | el total de | cuenta de | cuenta las | cuenta los",
    Tag.AVERAGE: "promedio | media | medio | promedios | en promedio | de media | el promedio de | la media de | promedio de | media de | medias | como promedio | en media | por termino medio",
    Tag.SUM: "suma | total | totales | suma de | sumar | en conjunto | suma total | sumando | suma total de",
    Tag.MAXIMUM: "maximo | maxima | maximos | maximas",
    Tag.MINIMUM: "minimo | minima | minimos | minimas",
    Tag.MEDIAN: "mediana | mediana de",
    Tag.MOST: "mas | mayor | mayores | mas alta | mas alto | mas altas | mas altos | mas grande | mas elevada | mas elevado | mas cantidad de | mayor numero de | mayor cantidad de | superior | alta | alto | altas | altos",
    Tag.LEAST: "menos | menor | menores | mas baja | mas bajo | mas bajas | mas bajos | mas pequena | mas pequeno | menor numero de | menor cantidad de | inferior | baja | bajo | bajas | bajos",
    Tag.TOP: "top | las primeras | los primeros",
    Tag.BOTTOM: "las ultimas | los ultimos | bottom",
    Tag.FIRST: "primera | primer | primero | primeras | primeros",
    Tag.LAST: "ultima | ultimo | ultimas | ultimos",
    Tag.AT_LEAST: "al menos | por lo menos | como minimo | minimo | un minimo de | minimo de | no menos de | >= | mayor o igual que | mayor o igual a | igual o superior a | igual o mayor que | a lo menos | con minimo",
    Tag.MORE_THAN: "mas de | mas que | mayor que | mayor de | mayor a | mayores que | mayores de | mayores a | superior a | superiores a | por encima de | > | supera | superan | superen | supere | que superan | mas alta que | mas alto que | mejor que | mas larga que | sobre | excede | exceden | arriba de | encima de | mejores que | que superen",
    Tag.AT_MOST: "como maximo | como mucho | a lo sumo | no mas de | hasta | un maximo de | maximo de | maximo | <= | menor o igual que | menor o igual a | igual o inferior a | igual o menor que | a lo mucho",
    Tag.LESS_THAN: "menos de | menos que | menor que | menor de | menor a | menores que | menores de | menores a | inferior a | inferiores a | por debajo de | < | mas corta que | mas baja que | peor que | bajo | debajo de | abajo de | no llega a | no llegan a",
    Tag.EXACTLY: "exactamente | igual a | igual que | = | justo | precisamente",
    Tag.OR_MORE: "o mas | o superior | o mayor | o mejor | o mas alta | en adelante | en delante | + | para arriba | o posterior | como minimo | minimo | por lo menos | al menos | o superiores | o mas larga | o mayores",
    Tag.OR_LESS: "o menos | o inferior | o menor | o peor | o anterior | como maximo | maximo | como mucho | o inferiores",
    Tag.BETWEEN: "entre | comprendida entre | comprendido entre | que va de | de entre | comprendidas entre",
    Tag.FROM: "de | desde | del",
    Tag.BEFORE: "antes de | antes del | anteriores a | anterior a | previas a | previos a | previo a | antes que | anteriores al | antes de los",
    Tag.AFTER: "despues de | despues del | posteriores a | posterior a | tras | luego de | despues que | mas reciente que | posteriores al | posterior al",
    Tag.SINCE: "desde | desde el | a partir de | a partir del | desde el ano | del ano | a partir del ano",
    Tag.UNTIL: "hasta | hasta el | hasta el ano",
    Tag.PER: "por cada | para cada | en cada | agrupado por | agrupada por | agrupadas por | agrupados por | segun el | segun la | segun | desglosado por | desglosada por | desglose por | distribuidas por | distribucion por | distribucion de | de cada | dividido por | divididas por | a traves de los | repartidas por | separado por | en funcion del | en funcion de | dentro de cada | agrupa por | agrupando por | clasificadas por | por los distintos | por las distintas",
    Tag.EACH: "cada",
    Tag.SORTED: "ordenadas por | ordenados por | ordenado por | ordenada por | ordena por | por orden de | en orden de | ordenar por | clasificadas por | basado en | atendiendo a | segun su | segun la | ordenandolas por | por su",
    Tag.ASCENDING: "ascendente | en orden ascendente | de menor a mayor | alfabeticamente | por orden alfabetico | ascendentemente",
    Tag.DESCENDING: "descendente | en orden descendente | de mayor a menor | descendentemente",
    Tag.TREND: "tendencia | tendencias | a lo largo del tiempo | a lo largo de los anos | a lo largo de las decadas | a traves de los anos | a traves del tiempo | con el tiempo | con los anos | con el paso de los anos | con el paso del tiempo | ano a ano | ano tras ano | decada a decada | decada tras decada | evolucion | evolucionado | evoluciona | evoluciono | evolucionan | cambiado | cambio | cambiaron | cambia | variado | vario | varia | variacion | historicamente | en el tiempo | crecido | aumentado | disminuido | subido | bajado | progresion | en los distintos anos | a traves de las decadas | ha ido cambiando | desarrollo",
    Tag.COMPARE: "compara | comparar | comparacion | comparacion de | comparacion entre | comparame | comparando | diferencia | diferencia entre | diferencias entre | compare | comparativa | comparativa entre | comparativa de | diferencia de | contrasta | haz una comparacion entre | en que se diferencian",
    Tag.VERSUS: "vs | versus | contra | frente a | comparado con | comparada con | en comparacion con | comparadas con | comparados con",
    Tag.PERCENT: "porcentaje | porcentaje de | por ciento | % | % de | proporcion | proporcion de | fraccion | fraccion de | tanto por ciento | que parte de | parte de | cuota de",
    Tag.DISTINCT: "distintos | distintas | diferentes | unicos | unicas | diversos",
    Tag.CONTAINS: "que contengan | que contienen | contengan | contienen | contiene | contenga | que incluyan | que incluyen | incluyan | incluye | incluyen | con la palabra | con las palabras | que contiene | que contenga | tengan la palabra | tienen la palabra | lleva la palabra | llevan la palabra | que tengan la palabra | que lleven | lleven | mencionan | que mencionen | aparece | aparezca | donde aparece",
    Tag.STARTS: "que empiezan por | que empiecen por | que empiezan con | que empiecen con | empiezan por | empiezan con | que comienzan con | que comienzan por | que comiencen por | que comiencen con | empieza por | empieza con | comienza con | comienza por | comienzan con | empiecen por | empiecen con",
    Tag.ENDS: "que terminan en | que terminen en | terminan en | terminan con | que acaban en | que acaben en | acaban en | termina en | termina con | que terminan con | que terminen con",
    Tag.CALLED: "llamada | llamado | llamadas | llamados | titulada | titulado | que se llama | que se llaman | se llama | se llaman | con el titulo | tituladas | con el nombre | de nombre | de titulo",
    Tag.THE_WORD: "la palabra | palabra | palabras | las palabras | el texto | texto | el termino | termino | la frase | frase | la cadena | las letras",
    Tag.ABOUT: "hablame de | hablame sobre | cuentame de | cuentame sobre | informacion sobre | informacion de | informacion acerca de | detalles de | detalles sobre | datos de | datos sobre | que sabes de | que sabes sobre | describe | ficha de | dime algo sobre | dime todo sobre | dime algo de | la ficha de | dame informacion sobre | dame informacion de | dame detalles de | dame los datos de | dame datos de | cuentame algo sobre | que puedes decirme de | que me puedes decir de | que puedes contarme de | que sabes acerca de",
    Tag.BOTH: "a la vez | al mismo tiempo | tanto | ambos | ambas | simultaneamente",
    Tag.COMMON: "comun | comunes | mas comun | mas comunes | frecuente | frecuentes | mas frecuente | mas frecuentes | mas habitual | mas habituales | mas abundante | mas abundantes | prolifico | prolifica | prolificos | mas prolifico | mas prolifica | mas prolificos | mas repetido | mas numeroso | predominante | mas usado | mas activo | mas representado | productivo | mas productivo",
    Tag.RARE: "menos comun | menos comunes | menos frecuente | menos frecuentes | raro | rara | mas raro | mas rara | menos habitual | menos representado | menos abundante | menos prolifico",
    Tag.YEAR: "ano | anos | anual | anuales | anualmente | por ano | cada ano",
    Tag.DECADE: "decada | decadas | decenio | decenios | por decada | por decadas | cada decada",
    Tag.MONTH: "mes | meses | mensual | mensualmente | por mes | cada mes",
    Tag.KNOWN: "conocida | conocido | con algun | con alguna | que tienen una | que tienen un | que tengan un | que tengan una | conocidas | conocidos",
    Tag.VALUE: "valor | valores | nivel",
}

PHRASES: dict[str, dict[Tag, list[str]]] = {
    language: {tag: [phrase.strip() for phrase in text.split("|") if phrase.strip()] for tag, text in table.items()}
    for language, table in (("en", _EN), ("es", _ES))
}

UNKNOWABLE = frozenset(
    # What people ask of data that may well not hold it. Never a name, whatever stands before it.
    "budget budgets revenue revenues gross grossed grossing earnings profit profits profitable cost costs price prices sales "
    "money dollars dollar euros euro income box office oscar oscars award awards academy prize prizes nominated nominations nominee winner won winning "
    "country countries language languages nationality studio studios network streaming netflix hbo disney amazon "
    "marvel pixar dc plot story synopsis summary review reviews critics critic audience trailer poster soundtrack sequel sequels prequel remake "
    "remakes franchise franchises location locations city cities weather stock stocks bitcoin gender women men female male age ages "
    "korean south north american british french german italian spanish japanese chinese indian mexican russian european english foreign hollywood bollywood latin "
    "silent black white colour color superhero zombie vampire vampires independent indie cult classic classics old new modern recent contemporary good great "
    "favourite favorite interesting beautiful famous underrated overrated boring successful commercial christmas teen kids children "
    "presupuesto presupuestos recaudacion recaudaron recaudo taquilla ingresos ganancias beneficio beneficios coste costo precio ventas dinero dolares "
    "premio premios ganadora ganadoras ganaron nominadas nominaciones pais paises idioma idiomas lengua nacionalidad estudio estudios distribuidora "
    "argumento sinopsis resumen critica criticas publico banda sonora secuela secuelas saga sagas localizacion ciudad tiempo clima genero sexo edad edades "
    "coreanas coreana americanas americana estadounidenses britanicas francesas francesa alemanas italianas espanolas espanola japonesas chinas "
    "indias mexicanas rusas europeas inglesas extranjeras mudas navidad navidenas independientes clasicas modernas recientes viejas nuevas buenas "
    "mujeres hombres femenina masculina superheroes zombis vampiros ninos".split()
)
"""Words that name an attribute or a kind. Where the dataset has no such thing, they are not taken for a name."""

CHANGES = {
    "en": "delete remove drop update insert modify alter truncate erase rename replace overwrite edit set write destroy",
    "es": "borra borrar elimina eliminar actualiza actualizar inserta insertar modifica modificar anade anadir cambia "
    "cambiar renombra sobrescribe edita reemplaza vacia destruye quita quitar",
}
"""Verbs that open a request to change data."""

FORECASTS = {
    "en": "predict prediction forecast forecasts predicted tomorrow future will next upcoming",
    "es": "predice predecir prediccion pronostica pronostico manana futuro sera seran proximo proxima habra tendra",
}
"""Words of a request about what has not happened yet."""

OPINIONS = {
    "en": "why should recommend recommendation recommendations opinion think believe feel favourite favorite because reason reasons",
    "es": "porque recomienda recomiendas recomendacion recomendarias opinas opinion crees deberia razon razones",
}
"""Words of a request for a reason or an opinion, which rows do not hold."""

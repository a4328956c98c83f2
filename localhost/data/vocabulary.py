"""Words for invented films and people. None of them stands for a real one; what looks alike is chance."""

ADJECTIVES = (
    "amber ancient autumn bitter blue borrowed brave bright broken burning careless cold copper crimson crooked "
    "dancing distant divided drowned early eleventh emerald empty endless faithful faraway fearless first forgotten "
    "forty fragile frozen gentle glass golden green half-hidden hollow honest hungry idle impossible invisible ivory "
    "last late lonely long marble midnight missing narrow northern obedient orange ordinary painted paper patient "
    "perfect quiet reluctant restless ruined salt scarlet seventh silent silver sleeping slow solitary stolen "
    "stubborn sudden tender thirsty unfinished unlikely velvet violet wandering western wild winter yellow young"
).split()

NOUNS = (
    "acrobat almanac anchor apiary apprentice archive arrow astronomer atlas balcony baker bell bicycle blacksmith "
    "boatman bookbinder border bridge brother candle captain caravan carnival carpenter cartographer cathedral "
    "chorus cinema clockmaker coast comet compass conductor corridor courier cousin crossing dancer daughter debt "
    "detour diary diver dolphin echo elevator embassy engine envelope equation factory falcon farewell feast ferry "
    "fiddler field fisherman flood forest forger fountain fox gambler garden gardener glacier glove gondola grammar "
    "granary guest guitar harbour harvest heiress heron highway horizon hotel hunter icebreaker inheritance inspector "
    "island jeweller journey judge juggler kingdom kite laboratory ladder lantern launderette lawyer letter library "
    "lighthouse locksmith locomotive machine magician map market mechanic melody memory merchant meridian messenger "
    "mill minister mirror monastery moon mountain museum navigator neighbour nephew notebook nurse oath observatory "
    "ocean orchard orchestra orphan painter passenger pastry pendulum photograph pianist pilot pirate planet plumber "
    "poet porcelain postman potter prairie promise prophet quarry queen quilt railway rain recipe refuge rehearsal "
    "river roof sailor salon satellite scarecrow school sculptor secret seed shadow shepherd ship shoemaker signal "
    "sister skater snow soldier song spring stairway station statue storm stranger suitcase summer swimmer tailor "
    "teacher telegram tenant theatre thief thunder tide tower train translator traveller treaty trumpet tunnel twin "
    "umbrella uncle valley verdict village violin visitor volcano voyage watchmaker waterfall weaver wedding well "
    "whale widow window witness wolf writer"
).split()

ENDINGS = (
    "Affair Agreement Alibi Archive Bequest Brothers Case Chronicles Code Conspiracy Experiment Formula Gambit "
    "Inheritance Incident Legacy Letters Method Mystery Paradox Protocol Report Sisters Tapes Theorem Verdict"
).split()

GERUNDS = (
    "Abandoning Beyond Building Burning Calling Chasing Crossing Defending Escaping Finding Flying Forgetting Hunting "
    "Inventing Leaving Losing Loving Mapping Missing Painting Rebuilding Remembering Returning Saving Searching "
    "Selling Shadowing Stealing Surviving Teaching Touching Trusting Walking Waiting"
).split()

PLACE_STARTS = (
    "Alder Ansel Arden Bel Birken Brack Cald Carn Castel Cor Dren Dun Eber Elm Fal Fenn Gal Gren Hal Hest Ister Jor "
    "Kar Kell Lar Linden Lor Mar Mel Mont Nor Ober Or Pel Quin Ros Sant Sel Stav Tal Thorn Tor Ul Val Ver Wend Yar Zel"
).split()

PLACE_ENDS = (
    "abad ada ale bach bourne bridge by castle combe dale denia dorf ette ford fors garth ham haven heim holm ia idge "
    "ina ington ira itz low mar mere mont mouth ora ovo port ra stad stead ston thal tova una vik ville wick"
).split()

SURNAME_STARTS = (
    "Abb Ald Amar Ast Bal Barr Bel Ber Bor Brann Cad Cal Cass Cob Dal Dev Dor Ed Ell Esk Fal Far Fenn Gal Gar Gris "
    "Hal Harg Hol Ing Ish Jas Jor Kal Kes Kor Lam Lev Lind Mac Mar Mel Mor Nak Nor Oak Or Pas Pel Quill Rad Ros Sal "
    "Sem Tal Tam Thorn Tor Ul Val Var Ves Wal Wes Yar Zab Zim"
).split()

SURNAME_ENDS = (
    "acci adze ain ak ales amoto ander ante aro berg bright bury da dahl der donado ek ell emann enko er ero escu ett "
    "ez gard iani ides ier ikson illo ington ini is issen ito kamp kin ley lock low man mont ner nika off ola ora os "
    "ota ov quist rell rick sen shaw ski smith son stein strom ter ton turra ulis vale vić wick wood worth yama ze"
).split()

WOMEN = (
    "Ada Adela Agnès Aiko Alba Alma Amara Amelia Ana Anja Beatriz Bianca Birgit Camila Carla Celia Chiara Clara Dalia "
    "Daria Dolores Edith Elena Elif Elsa Emi Esther Eva Farah Fatima Fiona Freya Gala Greta Hana Helga Ida Ilse Imani "
    "Inês Ingrid Irina Iris Isabel Ivana Jana Jaya Joana Judith Julia Kamala Karin Katya Keiko Laila Laura Leila "
    "Leonor Lidia Lina Lucía Łucja Mai Mara Margit Marta Mei Mercedes Mila Mina Mira Nadia Naomi Nerea Nina Noor Núria "
    "Olga Paloma Petra Pilar Priya Rania Rosa Ruth Sabine Salma Sara Sofía Sunniva Tamar Tessa Thea Ursula Valeria "
    "Vera Viola Wanda Yara Yasmin Yuki Zoë Zora Žofia"
).split()

MEN = (
    "Aarav Abel Adrián Akira Alain Albert Aldo Amir Anders André Anton Arjun Aron Bastian Björn Bruno Carlos Cem Cyril "
    "Damir Daniel Darío David Diego Dmitri Edgar Eduardo Elias Emil Emre Enzo Erik Ernst Esteban Fabian Felix Fernando "
    "Filip Florian Franz Gael Georg Gino Gustav Hamid Hannes Hassan Hector Henrik Hiro Hugo Ibrahim Igor Ilya Ivo Jan "
    "Javier Jens Joaquín Joel Jonas Jorge José Jun Karim Kaspar Kenji Klaus Lars Leo Levan Lorenz Luca Luis Magnus "
    "Malik Marco Mario Mateo Matti Mehmet Miguel Milan Nico Niels Nikola Noah Olaf Omar Oscar Otto Pablo Paolo Pavel "
    "Pedro Rafael Ravi René Ricardo Rolf Roman Rui Samir Santiago Sasha Sergio Simon Søren Stefan Tariq Teo Theo Tomás "
    "Ugo Viktor Walter Yannick Yusuf Zoltan"
).split()

TYPES = {
    "movie": 56,
    "short": 11,
    "tvSeries": 9,
    "tvEpisode": 8,
    "tvMovie": 5,
    "video": 4,
    "tvMiniSeries": 3,
    "tvSpecial": 2,
    "videoGame": 1,
    "tvShort": 1,
}

GENRES = {
    "Drama": 30,
    "Comedy": 22,
    "Documentary": 12,
    "Romance": 9,
    "Action": 8,
    "Thriller": 8,
    "Horror": 7,
    "Crime": 7,
    "Adventure": 6,
    "Family": 5,
    "Mystery": 4,
    "Fantasy": 4,
    "Animation": 4,
    "Sci-Fi": 4,
    "Biography": 3,
    "Music": 3,
    "History": 3,
    "Sport": 2,
    "War": 2,
    "Musical": 2,
    "Western": 2,
    "Reality-TV": 1,
    "Talk-Show": 1,
    "Game-Show": 1,
    "News": 1,
    "Film-Noir": 1,
}

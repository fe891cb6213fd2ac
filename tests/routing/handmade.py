"""Requests written by hand to check the classifier, never to train it: thirteen tasks, twenty languages, easy to adversarial.

`TEXT` holds plain prompts as (label, language, prompt); `SHAPED` holds whole bodies with images, tools, schemas and turns.
A label followed by "!" marks an adversarial row: it carries the words or the structure of another task.
"""

from __future__ import annotations

from typing import Any

PASSAGE = (
    "The Aral Sea, once the fourth-largest lake in the world, began to shrink in the 1960s after the rivers that fed it were "
    "diverted by irrigation projects. By 2007 it had declined to ten percent of its original size, splitting into four lakes. "
    "The region's once prosperous fishing industry was devastated, bringing unemployment and economic hardship. A dam project "
    "completed in 2005 raised the water level of the northern lake, and salinity there has dropped enough for fish to return."
)
NEWS = (
    "LONDON (Reuters) - Shares in the airline fell 7 percent on Tuesday after it warned that strikes by air traffic controllers "
    "and higher fuel costs would push full-year profit below market expectations. The company said it had cancelled 600 flights in "
    "June alone. Chief executive Marta Lindqvist said the carrier would cut winter capacity by 4 percent and defer the delivery of "
    "two aircraft until 2026. Analysts at Harrow & Beale lowered their target price from 540p to 480p."
)
LOG = '2024-11-02T10:31:55Z ERROR payment-7f gateway=adyen order=88123 amount=41.90 EUR msg="card declined"\n'

TEXT: list[tuple[str, str, str]] = [
    # code
    ("code", "en", "How do I center a div both horizontally and vertically?"),
    (
        "code",
        "en",
        "You are given a string s consisting of lowercase letters. In one move you may delete any two adjacent equal characters. Determine the shortest string you can obtain.\n\nInput\nThe first line contains t (1 ≤ t ≤ 1000).\n\nOutput\nFor each test case print the answer.\n\nExample\nInput\n2\nabba\nabc\nOutput\n\nabc",
    ),
    (
        "code",
        "en",
        "Given an integer array nums, return the length of the longest strictly increasing subsequence.\n\nExample 1:\n\nInput: nums = [10,9,2,5,3,7,101,18]\nOutput: 4\n\nConstraints:\n\n1 <= nums.length <= 2500",
    ),
    (
        "code",
        "en",
        "I have a dataframe with a column of timestamps and I want the mean of `value` per calendar week, keeping weeks with no rows as NaN. How can I do that?",
    ),
    (
        "code",
        "en",
        "CREATE TABLE singer (id INT PRIMARY KEY, name TEXT, country TEXT, age INT);\nCREATE TABLE concert (id INT, singer_id INT, year INT);\n\n-- Using valid SQLite, answer: which singers had no concert in 2014?",
    ),
    ("code", "en", "What does `kubectl drain` do to pods that are not managed by a ReplicaSet?"),
    ("code", "en", "my docker container exits immediately with code 137, what is going on"),
    (
        "code",
        "en",
        'Complete the following function.\n\ndef longest_run(bits: str) -> int:\n    """Length of the longest run of ones.\n    >>> longest_run(\'110111\')\n    3\n    """',
    ),
    (
        "code",
        "en",
        "What is the difference between an abstract class and an interface in Java, and when would you use one over the other?",
    ),
    ("code", "en", 'Excel: sum column C only where column A says "paid" and the date in B is in March'),
    ("code", "en", "Write a regex that matches ISO dates but not times"),
    ("code", "en", "why does my useEffect run twice in development"),
    (
        "code",
        "en",
        "Convert this to TypeScript:\n\nfunction pick(o, ks) { return ks.reduce((a, k) => (a[k] = o[k], a), {}) }",
    ),
    ("code", "en", "How would you undo the last two commits without losing the changes?"),
    ("code", "en", "Find the bug:\n\nfor (int i = 0; i <= n; i++) {\n    sum += a[i];\n}"),
    ("code", "en", "Implement an LRU cache with O(1) get and put in Go. Include tests."),
    ("code", "en", "What will this print?\n\nx = [1, 2, 3]\ny = x\ny.append(4)\nprint(x)"),
    (
        "code",
        "en",
        "I keep getting `ModuleNotFoundError: No module named 'yaml'` even though I ran pip install pyyaml",
    ),
    (
        "code",
        "en",
        "Schema: employees(id, name, dept_id, salary), departments(id, name). Question: Which department pays the highest average salary?\nSQL:",
    ),
    ("code", "en", "Design a REST API for a library lending system; show the endpoints and the status codes"),
    ("code", "en", "nginx returns 502 when the upstream restarts, which settings make it retry?"),
    (
        "code!",
        "en",
        "Summarize what this function does and then make it O(n):\n\ndef has_pair(a, t):\n    return any(x + y == t for i, x in enumerate(a) for y in a[i+1:])",
    ),
    ("code!", "en", "translate this to Go\n\ndef area(r):\n    return 3.14159 * r ** 2"),
    ("code!", "en", "Write a program that prints the lyrics of 99 Bottles of Beer"),
    ("code!", "en", "Write a function that classifies a triangle as scalene, isosceles or equilateral"),
    ("code!", "en", "I need a script that extracts every email address from a folder of text files"),
    (
        "code!",
        "en",
        "Given the side lengths, write a method computing the area of a triangle with Heron's formula",
    ),
    ("code", "de", "Wie kann ich in Python eine Liste von Wörterbüchern nach einem Schlüssel sortieren?"),
    ("code", "de", "Schreibe ein Bash-Skript, das alle PNG-Dateien in einem Ordner nach WebP umwandelt."),
    ("code", "fr", "Comment lire un fichier CSV ligne par ligne en Java sans tout charger en mémoire ?"),
    ("code", "fr", "Écris une fonction qui vérifie si une chaîne est un palindrome."),
    ("code", "es", "¿Cómo hago un JOIN de tres tablas en MySQL y agrupo por mes?"),
    ("code", "es", "Escribe una función en JavaScript que elimine los duplicados de un arreglo"),
    ("code", "pt", "Como faço para centralizar uma div com flexbox?"),
    ("code", "it", "Scrivi una query SQL che restituisca i dieci clienti con più ordini"),
    ("code", "ru", "Напиши на C++ программу, которая находит все простые числа до N"),
    ("code", "ru", "Почему возникает ошибка NullPointerException и как её исправить?"),
    ("code", "zh", "用Python写一个快速排序函数"),
    ("code", "zh", "React 里 useMemo 和 useCallback 有什么区别？"),
    ("code", "ja", "Pythonで二分探索を実装してください"),
    ("code", "ja", "Dockerコンテナからホストのデータベースに接続する方法を教えて"),
    ("code", "ko", "자바스크립트로 배열에서 중복을 제거하는 함수를 작성해줘"),
    ("code", "pl", "Napisz funkcję w Pythonie, która sprawdza, czy liczba jest pierwsza"),
    ("code", "nl", "Hoe schrijf ik een unittest voor een async functie in pytest?"),
    ("code", "tr", "Python'da bir listeyi tersine çeviren fonksiyon yaz"),
    ("code", "ar", "اكتب دالة بلغة بايثون تحسب عدد الكلمات في نص"),
    ("code", "hi", "पायथन में एक फ़ंक्शन लिखो जो दो संख्याओं का महत्तम समापवर्तक निकाले"),
    # math
    (
        "math",
        "en",
        "Each pack of DVDs costs 76 dollars. If there is a discount of 25 dollars on each pack, how much do you have to pay to buy each pack?",
    ),
    ("math", "en", "Tom has 3 times as many marbles as Jim. Together they have 48. How many does Jim have?"),
    (
        "math",
        "en",
        "Find all functions $f:\\mathbb{R}\\to\\mathbb{R}$ such that $f(x+y)=f(x)+f(y)+2xy$ for all real $x,y$.",
    ),
    ("math", "en", "What is the remainder when 7^100 is divided by 13?"),
    (
        "math",
        "en",
        "A train leaves at 9:40 and arrives at 13:05 after covering 328 km. What was its average speed?",
    ),
    ("math", "en", "Evaluate the limit as x approaches 0 of sin(3x)/x."),
    ("math", "en", "Prove that the square root of 3 is irrational."),
    (
        "math",
        "en",
        "If a bond pays a 5% annual coupon on a face value of 1000 and matures in 6 years, what is its price at a yield of 4%?",
    ),
    (
        "math",
        "en",
        "A 2 kg block slides down a frictionless incline of 30 degrees. What is its acceleration?",
    ),
    ("math", "en", "How many grams of NaCl are needed to prepare 250 mL of a 0.4 M solution?"),
    ("math", "en", "12.5 * 48 - 130 / 4"),
    (
        "math",
        "en",
        "A jar has 5 red and 7 blue balls. Two are drawn without replacement. What's the probability both are red?",
    ),
    (
        "math",
        "en",
        "The average of five consecutive odd integers is 27. What is the largest?\nA) 29\nB) 31\nC) 33\nD) 35",
    ),
    ("math", "en", "if i invest 200 a month at 6 percent for 20 years what do i end up with"),
    (
        "math",
        "en",
        "Our conversion went from 2.1% (n=4000) to 2.6% (n=4100). Is that significant at the 5% level?",
    ),
    ("math", "en", "Let G be a group of order 15. Show that G is cyclic."),
    ("math", "en", "recipe serves 4 and needs 350g flour, how much for 7 people"),
    (
        "math!",
        "en",
        "Write out, like a story, how many candles are left when Mia, who had 24, gives a third of them away and lights 5",
    ),
    (
        "math!",
        "en",
        'The text says: "A pool is filled by two pipes in 6 and 4 hours respectively." How long do both pipes together need?',
    ),
    (
        "math",
        "de",
        "Ein Zug fährt 240 km in 3 Stunden. Wie weit kommt er in 5 Stunden bei gleicher Geschwindigkeit?",
    ),
    ("math", "de", "Bestimme die Ableitung von f(x) = x^2 * sin(x)."),
    ("math", "fr", "Marie achète 3 cahiers à 2,50 € et un stylo à 4 €. Combien paie-t-elle en tout ?"),
    ("math", "fr", "Résoudre dans R l'équation 2x² - 5x + 2 = 0."),
    (
        "math",
        "es",
        "Un granjero tiene 20 gallinas y cada una pone 5 huevos por semana. ¿Cuántos huevos recoge en 4 semanas?",
    ),
    ("math", "es", "Calcula la integral de x·e^x dx"),
    ("math", "pt", "João tinha 45 reais, gastou um terço e depois ganhou 12. Quanto dinheiro ele tem agora?"),
    ("math", "it", "Quanto fa il 15% di 240 più la metà di 90?"),
    ("math", "ru", "У Пети было 18 конфет, он отдал треть сестре и ещё 4 другу. Сколько конфет осталось?"),
    ("math", "ru", "Докажите, что сумма трёх последовательных целых чисел делится на 3."),
    ("math", "zh", "一个长方形的长是12厘米，宽是长的一半，求它的周长和面积。"),
    ("math", "zh", "小明有36颗糖，分给4个朋友，每人几颗？"),
    ("math", "ja", "りんごが8個あります。3個食べて、5個もらいました。今、全部で何個ありますか？"),
    ("math", "ja", "二次方程式 x^2-5x+6=0 を解いてください"),
    ("math", "ko", "사과가 15개 있는데 4명이 똑같이 나누면 몇 개씩 먹고 몇 개가 남나요?"),
    ("math", "pl", "Cena roweru wzrosła o 20%, a potem spadła o 10%. O ile procent zmieniła się cena?"),
    ("math", "tr", "Bir sınıfta 24 öğrenci var, üçte biri kız. Kaç erkek öğrenci var?"),
    ("math", "ar", "لدى أحمد 50 ريالا، اشترى ثلاثة كتب بسعر 12 ريالا للكتاب. كم بقي معه؟"),
    ("math", "hi", "एक दुकानदार ने 500 रुपये की वस्तु 15% लाभ पर बेची। विक्रय मूल्य क्या है?"),
    ("math", "sw", "Juma ana machungwa 12, anampa rafiki yake 5. Amebaki na machungwa mangapi?"),
    ("math", "th", "สมชายมีเงิน 200 บาท ซื้อหนังสือ 3 เล่ม เล่มละ 45 บาท เหลือเงินเท่าไร"),
    # reasoning
    (
        "reasoning",
        "en",
        "Three switches outside a closed room control three bulbs inside. You may enter only once. How do you find out which switch belongs to which bulb?",
    ),
    (
        "reasoning",
        "en",
        "Anna is taller than Bea, Bea is taller than Cleo, Dora is shorter than Cleo. Who is the second tallest?",
    ),
    (
        "reasoning",
        "en",
        "On an island every inhabitant is either a knight or a knave. A says: 'B is a knave.' B says: 'We are both knights.' What are A and B?",
    ),
    (
        "reasoning",
        "en",
        "Plan a week of dinners for two under 60 euros: no pork, at most two pasta dishes, leftovers used the next day, and Wednesday must take under 20 minutes.",
    ),
    (
        "reasoning",
        "en",
        "Seven talks, three rooms, two slots in the morning and one in the afternoon. Talk A must precede C, B and D need the projector that only room 1 has, E cannot be in parallel with A. Find a timetable.",
    ),
    (
        "reasoning",
        "en",
        "Which of the following, if true, most weakens the argument?\n\nCity officials claim the new bike lanes reduced accidents, because accidents fell 12% in the year after they opened.\n\n(A) Helmet use also rose.\n(B) Traffic volume fell by 15% that year.\n(C) The lanes cost more than planned.\n(D) Cyclists like the lanes.",
    ),
    (
        "reasoning",
        "en",
        "Should a startup with 6 months of runway rewrite its monolith or ship the enterprise features its only big customer wants? Weigh both and decide.",
    ),
    (
        "reasoning",
        "en",
        "All of the roses are flowers. Some flowers fade quickly. Does it follow that some roses fade quickly? Explain.",
    ),
    (
        "reasoning",
        "en",
        "Our checkout latency doubled at 14:00. CPU is flat, DB connections climbed to the limit, and a feature flag was turned on at 13:55 for 10% of users. What are the likely causes and in what order would you check them?",
    ),
    ("reasoning", "en", "Find the next element: Z, X, V, T, R, ?"),
    ("reasoning", "en", "You have a 3 litre jug and a 5 litre jug. How do you measure exactly 4 litres?"),
    ("reasoning", "en", "White to move: Kg1, Qh5, Rf1 vs Kg8, Rf8, pawns f7 g7 h7. What is the best plan?"),
    (
        "reasoning",
        "en",
        "If you are facing north, turn right, walk 3 steps, turn around and turn left, which way are you facing?",
    ),
    (
        "reasoning",
        "en",
        "A man looks at a portrait and says: brothers and sisters I have none, but that man's father is my father's son. Who is in the portrait?",
    ),
    (
        "reasoning",
        "en",
        "Sally puts her ball in the basket and leaves. Anne moves it to the box. When Sally comes back, where will she look first, and why?",
    ),
    (
        "reasoning",
        "en",
        "Design a migration from one data centre to two with at most 10 minutes of downtime, a budget of 40k and a team of three; list the steps in order with the risks.",
    ),
    (
        "reasoning",
        "en",
        "Group these 16 words into four sets of four: bass, pike, flounder, perch, stall, hesitate, waver, falter, sole, heel, tongue, lace, axe, spear, lance, mace",
    ),
    (
        "reasoning",
        "en",
        "Q: Jane was born on the last day of February in 2001. Today is her 16-year-old birthday. What is the date tomorrow in MM/DD/YYYY?\nOptions:\n(A) 02/28/2017\n(B) 03/01/2017\n(C) 03/02/2017",
    ),
    (
        "reasoning!",
        "en",
        "Translate the clues into a grid and tell me who owns the fish: the Brit lives in the red house, the Swede keeps dogs, the Dane drinks tea, the green house is left of the white one.",
    ),
    (
        "reasoning!",
        "en",
        "Write down which of the five suspects lied, given that exactly one of these statements is true: A says B did it, B says D did it, C says not me, D says B lies, E says A.",
    ),
    (
        "reasoning",
        "de",
        "Fünf Freunde sitzen nebeneinander. Ben sitzt links von Clara, Anna sitzt nicht am Rand, David sitzt zwischen Eva und Anna. Wer sitzt in der Mitte?",
    ),
    (
        "reasoning",
        "de",
        "Wäge ab, ob wir das Büro kaufen oder weiter mieten sollten: 8 Leute, Wachstum unsicher, Zinsen 4 %.",
    ),
    (
        "reasoning",
        "fr",
        "Pierre est plus âgé que Luc, Luc est plus jeune que Marc, et Marc est plus jeune que Pierre. Qui est le plus âgé ?",
    ),
    (
        "reasoning",
        "es",
        "Tengo que cruzar un río con un lobo, una cabra y una col, y en la barca solo cabe uno. ¿Cómo lo hago?",
    ),
    (
        "reasoning",
        "es",
        "Organiza un viaje de 5 días por Andalucía con 600 euros, sin coche, y con al menos dos noches en Granada",
    ),
    ("reasoning", "ru", "На острове живут рыцари и лжецы. А говорит: «Мы оба лжецы». Кто А и кто Б?"),
    (
        "reasoning",
        "zh",
        "甲、乙、丙三人中只有一人说了真话。甲说：“是乙做的。”乙说：“不是我。”丙说：“不是我。”请问是谁做的？",
    ),
    ("reasoning", "zh", "找规律：2，6，12，20，30，下一个数是什么？为什么？"),
    (
        "reasoning",
        "ja",
        "太郎は次郎より背が高く、次郎は三郎より背が低い。三郎は太郎より背が高い。一番背が高いのは誰ですか？",
    ),
    (
        "reasoning",
        "ko",
        "세 사람 중 한 명만 진실을 말합니다. A는 B가 범인이라고, B는 자신이 아니라고, C도 자신이 아니라고 합니다. 범인은 누구인가요?",
    ),
    (
        "reasoning",
        "pt",
        "Se todos os gatos são animais e alguns animais são pretos, podemos concluir que alguns gatos são pretos? Explique o raciocínio.",
    ),
    (
        "reasoning",
        "it",
        "Tre amici hanno cappelli di colori diversi. Marco non ha quello rosso, Luca non ha quello blu e Anna ha quello verde. Chi ha quale cappello?",
    ),
    (
        "reasoning",
        "pl",
        "Zaplanuj dyżury dla czterech lekarzy na tydzień: nikt nie ma dwóch nocy z rzędu, Ewa nie może w środę, a Jan tylko w dni parzyste.",
    ),
    ("reasoning", "tr", "Ali Veli'den büyük, Veli Can'dan küçük, Can da Ali'den küçük. En büyük kim?"),
    # chat
    ("chat", "en", "What causes the northern lights?"),
    ("chat", "en", "hey, how's it going?"),
    ("chat", "en", "Is it safe to eat sprouted potatoes?"),
    ("chat", "en", "Who painted The Night Watch and where can I see it?"),
    ("chat", "en", "Explain inflation to me like I'm ten"),
    ("chat", "en", "I had a fight with my sister and don't know how to apologise. Any advice?"),
    ("chat", "en", "Give me three tips for sleeping better"),
    ("chat", "en", "What are the visa requirements for a Brazilian travelling to Japan for two weeks?"),
    ("chat", "en", "Compare the French and American Revolutions."),
    ("chat", "en", "my parcel says delivered but it isn't here"),
    ("chat", "en", "Why is the sky dark at night if there are so many stars?"),
    ("chat", "en", "Which one is healthier, butter or margarine?"),
    ("chat", "en", "What's the plot of Dune?"),
    ("chat", "en", "List five good books about the Roman Empire"),
    ("chat", "en", "How do vaccines train the immune system?"),
    ("chat", "en", "best way to get red wine out of a carpet"),
    ("chat", "en", "Tell me about yourself. What can you do?"),
    ("chat", "en", "What happened in the Treaty of Westphalia in 1648?"),
    ("chat", "en", "How tall is Mount Kilimanjaro?"),
    (
        "chat",
        "en",
        "Which of these particles has no electric charge?\nA. proton\nB. electron\nC. neutron\nD. positron",
    ),
    ("chat!", "en", "What is the history of the translation of the Bible into English?"),
    ("chat!", "en", "Who invented the Python programming language and why is it called that?"),
    ("chat!", "en", "What does a code of conduct usually contain?"),
    ("chat!", "en", "how many moons does Jupiter have"),
    ("chat!", "en", "Why do people classify whales as mammals?"),
    ("chat!", "en", "what is a sonnet?"),
    ("chat", "de", "Wer hat den Buchdruck erfunden?"),
    ("chat", "de", "Ich kann nachts schlecht schlafen, was hilft?"),
    ("chat", "fr", "Pourquoi les feuilles changent-elles de couleur en automne ?"),
    ("chat", "es", "¿Qué diferencia hay entre un virus y una bacteria?"),
    ("chat", "es", "hola, ¿me puedes ayudar con una duda?"),
    ("chat", "pt", "Quais são os benefícios de beber chá verde?"),
    ("chat", "it", "Qual è il periodo migliore per visitare la Sicilia?"),
    ("chat", "nl", "Waarom is de lucht blauw?"),
    ("chat", "pl", "Kto był pierwszym królem Polski?"),
    ("chat", "ru", "Какие продукты богаты железом?"),
    ("chat", "ru", "В чём разница между крокодилом и аллигатором?"),
    ("chat", "zh", "为什么天空是蓝色的？"),
    ("chat", "zh", "感冒了应该吃什么比较好？"),
    ("chat", "ja", "日本で一番高い山は何ですか？"),
    ("chat", "ja", "最近よく眠れません。どうしたらいいですか？"),
    ("chat", "ko", "김치는 어떻게 만들어요?"),
    ("chat", "ar", "ما هي عاصمة أستراليا؟"),
    ("chat", "hi", "ताजमहल किसने बनवाया था?"),
    ("chat", "tr", "Osmanlı İmparatorluğu ne zaman kuruldu?"),
    ("chat", "vi", "Tại sao lá cây có màu xanh?"),
    ("chat", "id", "Apa manfaat minum air putih setiap hari?"),
    # writing
    (
        "writing",
        "en",
        "Compose an engaging travel blog post about a recent trip to Hawaii, highlighting cultural experiences and must-see attractions.",
    ),
    ("writing", "en", "Write a limerick about a cat who hates Mondays"),
    ("writing", "en", "Draft a polite email to my landlord asking him to fix the heating"),
    ("writing", "en", "Give me ten name ideas for a bakery that also sells books"),
    ("writing", "en", "Make this sound more professional: hey guys, the thing is broken again, pls fix asap"),
    (
        "writing",
        "en",
        "I want you to act as a stand-up comedian. I will give you topics and you write a routine. My first topic is airports.",
    ),
    (
        "writing",
        "en",
        "Continue the story: The lighthouse keeper had not spoken to anyone for eleven years when the knock came.",
    ),
    (
        "writing",
        "en",
        "Rewrite the following sentence in the passive voice.\n\nThe committee rejected the proposal.",
    ),
    ("writing", "en", "300 words on why libraries matter, for a school newspaper"),
    ("writing", "en", "Come up with a tagline for a reusable water bottle."),
    ("writing", "en", "Fix the spelling and grammar: i has went too the store yestarday and buyed milk"),
    (
        "writing",
        "en",
        'Please write a product description for a solar-powered garden lamp. Use exactly three paragraphs, no commas, and end with the word "dusk".',
    ),
    ("writing", "en", "Write a dialogue between a dragon and a tax inspector."),
    (
        "writing",
        "en",
        "Turn these notes into a LinkedIn post: - shipped v2 - team of 4 - learned to say no - thanks to mentors",
    ),
    ("writing", "en", "You are a medieval innkeeper. A traveller walks in, soaked from the rain. Greet him."),
    ("writing", "en", "Write an essay arguing both sides of school uniforms."),
    ("writing!", "en", "a haiku about a null pointer exception"),
    ("writing!", "en", "Write a poem about recursion in which the last line calls the first"),
    ("writing!", "en", "Write a short story about a mathematician who proves that 1 = 2"),
    ("writing!", "en", "Compose a song that summarises the plot of Hamlet"),
    ("writing!", "en", "an email to the team explaining why the deploy failed and when we fix the API"),
    ("writing", "de", "Schreib mir eine kurze Geburtstagsrede für meinen Opa, der 80 wird."),
    ("writing", "de", "Formuliere diesen Satz höflicher: Ihr habt schon wieder zu spät geliefert."),
    ("writing", "fr", "Rédige une lettre de motivation pour un poste de bibliothécaire."),
    ("writing", "fr", "Corrige les fautes : je suis aller au marcher hier et j'ai acheter des pomme"),
    ("writing", "es", "Escribe un cuento corto sobre un faro abandonado"),
    ("writing", "es", "Dame cinco ideas de títulos para un pódcast de historia"),
    ("writing", "pt", "Escreva um poema sobre a saudade do mar."),
    ("writing", "it", "Scrivi una mail per disdire l'abbonamento in palestra"),
    ("writing", "nl", "Schrijf een gedicht voor Sinterklaas over mijn broer die altijd te laat komt"),
    ("writing", "pl", "Napisz krótką bajkę o jeżu, który bał się ciemności"),
    ("writing", "ru", "Сочини стихотворение о первом снеге"),
    (
        "writing",
        "ru",
        "Перепиши это письмо в более официальном стиле: Привет, пришлите счёт, а то уже месяц ждём",
    ),
    ("writing", "zh", "写一首关于秋天的诗"),
    ("writing", "zh", "帮我润色这句话：我们公司的产品很好，大家都说好。"),
    ("writing", "ja", "取引先へのお詫びのメールを書いてください"),
    ("writing", "ja", "海をテーマにした短い物語を作って"),
    ("writing", "ko", "가을을 주제로 짧은 시를 써줘"),
    ("writing", "ar", "اكتب قصيدة قصيرة عن القمر"),
    ("writing", "tr", "Doğum günü için komik bir davetiye metni yaz"),
    ("writing", "hi", "बारिश पर एक छोटी कविता लिखो"),
    # document
    ("document", "en", f"{NEWS}\n\nTL;DR"),
    ("document", "en", f"Summarize the following article in one sentence.\n\n{NEWS}"),
    ("document", "en", f"{PASSAGE}\n\nWhat happened to the fishing industry?"),
    ("document", "en", f"Context: {PASSAGE}\nQuestion: When was the dam project completed?\nAnswer:"),
    (
        "document",
        "en",
        f"Answer the question using only the passages below. Cite the passage number.\n\n[1] {PASSAGE}\n[2] {NEWS}\n\nQuestion: Why did the airline's shares fall?",
    ),
    (
        "document",
        "en",
        f"Given a reference text about the Aral Sea, tell me why the lake shrank.\n\n{PASSAGE}",
    ),
    (
        "document",
        "en",
        "What are the action items from this meeting?\n\nAnna: we still have no vendor for the badges.\nBo: I'll call two on Monday.\nAnna: fine, and I book the room.\nCy: budget is approved, I'll send the sheet to everyone by Friday.",
    ),
    (
        "document",
        "en",
        f"{PASSAGE}\n\nAccording to the passage, which of the following is true?\nA) The lake grew after 2007.\nB) A dam helped the northern lake.\nC) Irrigation stopped in 1960.\nD) The lake is the largest in the world.",
    ),
    (
        "document",
        "en",
        'what does this clause mean for me as the tenant? "The Lessee shall indemnify the Lessor against all claims arising from the use of the premises, save where caused by the Lessor\'s gross negligence, and shall maintain insurance to that effect throughout the Term."',
    ),
    (
        "document!",
        "en",
        "Summarise this bug thread:\n\n> user1: since 2.3 `foo()` raises KeyError on empty input\n> dev: can reproduce, regression from the parser rewrite\n> user2: same here, python 3.12\n> dev: fix merged, released in 2.3.1",
    ),
    ("document!", "en", f"Write a two-line summary of this.\n{NEWS}"),
    (
        "document!",
        "en",
        f"Read the text and explain in your own words how many flights were cancelled and why.\n\n{NEWS}",
    ),
    (
        "document",
        "de",
        "Fasse den folgenden Abschnitt in zwei Sätzen zusammen.\n\nDer Rhein entspringt in den Schweizer Alpen und mündet nach 1233 Kilometern in die Nordsee. Er ist eine der verkehrsreichsten Wasserstraßen der Welt und verbindet wichtige Industriegebiete. Im Sommer 2018 führte er so wenig Wasser, dass viele Schiffe nur noch teilweise beladen fahren konnten.",
    ),
    (
        "document",
        "fr",
        "Résume le texte suivant en trois points.\n\nLa commune a adopté lundi un plan de rénovation des écoles. Les travaux, estimés à quatre millions d'euros, commenceront en juillet et dureront deux ans. Les élèves seront accueillis dans des bâtiments provisoires, ce qui inquiète une partie des parents.",
    ),
    (
        "document",
        "es",
        "Lee el texto y responde: ¿por qué cerró la fábrica?\n\nLa fábrica de azulejos de Onda anunció ayer el cierre de su planta principal. La empresa explicó que el precio del gas se había triplicado en un año y que los clientes no aceptaban nuevas subidas. Los 140 trabajadores recibirán una indemnización.",
    ),
    (
        "document",
        "ru",
        "О чём говорится в этом тексте? Ответь в двух предложениях.\n\nВ музее открылась выставка, посвящённая полярным экспедициям начала XX века. Посетители увидят подлинные дневники, карты и снаряжение, найденное во льдах спустя сто лет. Выставка продлится до конца мая.",
    ),
    (
        "document",
        "zh",
        "请概括下面这段话的主要内容。\n\n随着城市化进程的加快，越来越多的年轻人选择到大城市工作和生活。高房价和长时间的通勤给他们带来了不小的压力，但更多的机会和更丰富的文化生活仍然吸引着他们。专家认为，发展中小城市有助于缓解这一矛盾。",
    ),
    (
        "document",
        "ja",
        "次の文章を読んで、質問に答えてください。\n\n江戸時代の寺子屋では、主に読み書きとそろばんが教えられていた。先生は武士や僧侶であることが多く、授業料は決まっていなかった。\n\n質問：寺子屋の先生はどんな人でしたか？",
    ),
    (
        "document",
        "ko",
        "다음 글을 세 문장으로 요약해줘.\n\n최근 전기차 판매가 빠르게 늘고 있지만 충전 시설은 그 속도를 따라가지 못하고 있다. 정부는 내년까지 고속도로 휴게소마다 급속 충전기를 설치하겠다고 밝혔다. 전문가들은 유지 보수 인력이 더 시급하다고 지적한다.",
    ),
    (
        "document",
        "pt",
        "Com base no texto, responda: quem financiou a obra?\n\nTexto: A nova ponte sobre o rio foi inaugurada no domingo com a presença do prefeito. A obra, financiada pelo banco de desenvolvimento do estado, custou 30 milhões e levou três anos.",
    ),
    (
        "document",
        "ar",
        "لخص النص التالي في جملتين:\n\nأعلنت البلدية عن خطة جديدة لتحويل وسط المدينة إلى منطقة للمشاة فقط. وسيبدأ التنفيذ في بداية العام المقبل بعد الانتهاء من مواقف السيارات الجديدة. ورحب التجار بالخطة بينما عبر بعض السكان عن قلقهم.",
    ),
    # extraction
    ("extraction", "en", f"Extract all organisations and people mentioned in the text.\n\n{NEWS}"),
    (
        "extraction",
        "en",
        "List every date in this paragraph: We met on 3 May 2021, signed on the 14th of June and shipped in early 2022.",
    ),
    (
        "extraction",
        "en",
        "Sentence: EU rejects German call to boycott British lamb .\nIdentify the named entities (PER, ORG, LOC, MISC) and output them as a list.",
    ),
    (
        "extraction",
        "en",
        f"Turn these log lines into a JSON array with time, level, order and amount.\n\n{LOG * 3}",
    ),
    (
        "extraction",
        "en",
        'Get me the name, the phone number and the company from: "Hi, Jo Park here from Lumen Oy, call me on 040 123 4567"',
    ),
    (
        "extraction",
        "en",
        "Which adjectives describe the food in the following review? Return them comma separated.\n\nThe soup was salty and lukewarm, but the bread was wonderfully crisp.",
    ),
    (
        "extraction",
        "en",
        "Put the following into a table with the columns Country, Capital, Population: France's capital Paris has 2.1 million people, Lisbon in Portugal has 550 thousand, and Vienna, Austria, has 1.9 million.",
    ),
    (
        "extraction",
        "en",
        "invoice no 2231 dated 4 Feb 2024, Nordwind GmbH, 3x filter 12.50, 1x pump 240.00, VAT 19% -> give me line items as CSV",
    ),
    (
        "extraction",
        "en",
        "Extract (subject, relation, object) triples: Marie Curie was born in Warsaw and won two Nobel Prizes.",
    ),
    (
        "extraction!",
        "en",
        f"Read the article and pull out the numbers together with what they refer to, as key: value.\n\n{NEWS}",
    ),
    (
        "extraction!",
        "en",
        "From this code review comment, extract the file names: please rename utils.py, drop the import in app/main.py and add a test to tests/test_io.py",
    ),
    (
        "extraction",
        "de",
        "Extrahiere Name, Adresse und Kundennummer aus dieser E-Mail:\n\nGuten Tag, mein Name ist Petra Kohl, Kundennummer 55-1023. Ich bin umgezogen, neue Adresse: Lindenweg 4, 04109 Leipzig.",
    ),
    (
        "extraction",
        "fr",
        "Relève toutes les dates et les lieux du texte :\n\nNé à Lyon en 1900, il part pour Dakar en 1927 puis s'installe à New York en décembre 1940.",
    ),
    (
        "extraction",
        "es",
        "Extrae los ingredientes y las cantidades en formato JSON: Necesitas 200 g de harina, dos huevos, medio litro de leche y una pizca de sal.",
    ),
    (
        "extraction",
        "ru",
        "Выпиши из текста все имена и города:\n\nИван Петров приехал из Казани к Ольге Смирновой, которая живёт в Твери.",
    ),
    ("extraction", "zh", "从下面的句子中提取人名、地名和时间，用JSON输出：王芳于2023年5月从上海搬到了成都。"),
    (
        "extraction",
        "ja",
        "次の文から人名と会社名を抽出してください：佐藤健一さんは来月、株式会社ミライに入社します。",
    ),
    ("extraction", "ko", "다음 문장에서 날짜와 장소를 추출해줘: 회의는 5월 3일 부산 벡스코에서 열립니다."),
    (
        "extraction",
        "pt",
        "Extraia o nome, o CPF e o valor do seguinte texto: O cliente Carlos Lima, CPF 111.222.333-44, pagou R$ 350,00.",
    ),
    (
        "extraction",
        "it",
        "Elenca tutte le persone citate nel brano.\n\nGaribaldi incontrò Mazzini a Marsiglia; più tardi Cavour trattò con Napoleone III.",
    ),
    (
        "extraction",
        "pl",
        "Wypisz z tekstu wszystkie nazwy firm i kwoty: Spółka Alfa kupiła Betę za 3 mln zł, a Gamma zapłaciła 500 tys. zł kary.",
    ),
    # classification
    (
        "classification",
        "en",
        "Is the sentiment of this review positive or negative?\n\nThe battery died after two days and support never replied.",
    ),
    (
        "classification",
        "en",
        "Premise: A man is playing a guitar on stage.\nHypothesis: A man is performing music.\nDoes the premise entail the hypothesis? Answer entailment, neutral or contradiction.",
    ),
    (
        "classification",
        "en",
        'Classify the news headline into World, Sports, Business or Sci/Tech: "Chipmaker beats estimates as data centre demand soars"',
    ),
    (
        "classification",
        "en",
        'Does the word "bank" have the same meaning in these two sentences? Answer yes or no.\n1. He sat on the bank of the river.\n2. She works at a bank.',
    ),
    (
        "classification",
        "en",
        'Tweet: "can\'t wait for monday said no one ever"\nLabel (sarcastic / not sarcastic):',
    ),
    (
        "classification",
        "en",
        "Given the query and the product title, judge the relevance: Exact, Substitute, Complement, Irrelevant.\nQuery: usb c cable 2m\nProduct: Braided USB-C to USB-C cable, 6.6 ft",
    ),
    (
        "classification",
        "en",
        "Rate how toxic this comment is from 1 to 5, number only: you people never read the manual, do you",
    ),
    (
        "classification",
        "en",
        "Which of the following are animals, and which are plants? oak, otter, orchid, owl",
    ),
    (
        "classification",
        "en",
        "Decide if the following sentence is grammatically acceptable. Output acceptable or unacceptable.\nThe books was on the table.",
    ),
    (
        "classification",
        "en",
        "Question 1: How do I learn piano fast?\nQuestion 2: What is the quickest way to learn the piano?\nAre these two questions duplicates? yes/no",
    ),
    ("classification", "en", 'spam or ham: "Congratulations!! You won a $1000 voucher, click here to claim"'),
    (
        "classification",
        "en",
        "Assign this support ticket to a team (billing, shipping, technical, other).\n\nThe app logs me out every time I rotate the phone.",
    ),
    (
        "classification!",
        "en",
        'Is this commit message a feature, a fix or a chore? "handle empty list in mean()"',
    ),
    (
        "classification!",
        "en",
        'What programming language is this, one word only: fn main() { println!("hi"); }',
    ),
    (
        "classification!",
        "en",
        'True or false: "The author praises the translation." Text: The translation reads like a manual and loses every joke.',
    ),
    (
        "classification",
        "de",
        'Ist diese Bewertung positiv, negativ oder neutral? "Lieferung kam pünktlich, aber die Farbe stimmt nicht."',
    ),
    (
        "classification",
        "fr",
        "Classe ce message dans une catégorie : facturation, livraison, technique. « Mon colis n'est jamais arrivé. »",
    ),
    (
        "classification",
        "es",
        'Clasifica el sentimiento del siguiente tuit como positivo, negativo o neutro: "Otra vez el metro parado, qué maravilla"',
    ),
    (
        "classification",
        "ru",
        "Определи тональность отзыва: положительная, отрицательная или нейтральная.\n\nФильм затянут, но актёры играют прекрасно.",
    ),
    ("classification", "zh", "判断下面这条评论是正面还是负面：这家餐厅服务太慢了，再也不来了。"),
    (
        "classification",
        "ja",
        "次のレビューはポジティブ、ネガティブのどちらですか：画面がきれいで、とても満足しています。",
    ),
    ("classification", "ko", "다음 문장이 긍정인지 부정인지 분류해줘: 배송이 너무 늦어서 화가 났어요."),
    (
        "classification",
        "pt",
        'Classifique o comentário como ofensivo ou não ofensivo: "Você não sabe nada de futebol"',
    ),
    ("classification", "ar", "صنف الجملة التالية إلى إيجابي أو سلبي: الخدمة كانت سيئة جدا"),
    ("classification", "tr", 'Bu yorum olumlu mu olumsuz mu? "Ürün çabuk bozuldu."'),
    # translation
    ("translation", "en", "Translate to German: The meeting has been moved to Thursday."),
    ("translation", "en", 'How do you say "I would like to pay by card" in Italian?'),
    ("translation", "en", "English: The river is frozen.\nFrench:"),
    (
        "translation",
        "en",
        "Translate the following sentence from English to Japanese.\nThe museum is closed on Mondays.",
    ),
    ("translation", "en", "put this into Spanish for a customer letter: your refund was issued yesterday"),
    ("translation", "en", 'What\'s the English for "Feierabend"?'),
    (
        "translation!",
        "en",
        "Translate this question into French, do not answer it: How many planets are in the solar system?",
    ),
    ("translation!", "en", 'Into Polish please: "Write a function that sorts a list."'),
    ("translation!", "en", "German version of: Summarize the following article in three sentences."),
    ("translation", "de", "Übersetze ins Englische: Der Vertrag verlängert sich automatisch um ein Jahr."),
    ("translation", "de", 'Was heißt "obligation de moyens" auf Deutsch?'),
    ("translation", "fr", "Traduis cette phrase en espagnol : Nous serons en retard d'une heure."),
    ("translation", "es", "Traduce al inglés: El plazo vence el próximo lunes."),
    ("translation", "pt", 'Como se diz "obrigado pela paciência" em inglês?'),
    ("translation", "it", "Traduci in tedesco: Il treno parte dal binario sette."),
    ("translation", "nl", "Vertaal naar het Engels: De winkel is op zondag gesloten."),
    ("translation", "pl", "Przetłumacz na angielski: Proszę o kontakt telefoniczny."),
    ("translation", "ru", "Переведи на английский: Мы свяжемся с вами завтра."),
    ("translation", "zh", "把下面这句话翻译成英文：我们明天早上八点出发。"),
    ("translation", "ja", "次の文を英語に訳してください：明日は雨が降りそうです。"),
    ("translation", "ko", "다음 문장을 영어로 번역해 주세요: 오늘 회의는 취소되었습니다."),
    ("translation", "ar", "ترجم إلى الإنجليزية: سوف نصل غدا صباحا"),
    ("translation", "tr", "İngilizceye çevir: Toplantı iptal edildi."),
    ("translation", "hi", "इसका अंग्रेज़ी में अनुवाद करो: मुझे कल छुट्टी चाहिए"),
    ("translation", "vi", "Dịch sang tiếng Anh: Hôm nay trời rất đẹp."),
]


def _tool(name: str, about: str, *fields: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {f: {"type": "string"} for f in fields}}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": schema}}


HOME = [
    _tool("set_light", "Set a lamp's brightness", "room", "level"),
    _tool("get_weather", "Weather of a city", "city"),
]
TRAVEL = [
    _tool("search_flights", "Find flights", "origin", "destination", "date"),
    _tool("book_flight", "Book a flight", "flight_id"),
    _tool("search_hotels", "Find hotels", "city"),
    _tool("book_hotel", "Book a hotel", "hotel_id"),
    _tool("send_email", "Send an email", "to", "body"),
]
SHELL = [
    _tool("run", "Run a command", "command"),
    _tool("read_file", "Read a file", "path"),
    _tool("write_file", "Write", "path"),
]
SHOP = [
    _tool("find_customer", "Find a customer", "email"),
    _tool("get_order", "Order details", "order_id"),
    _tool("refund_order", "Refund an order", "order_id"),
    _tool("escalate", "Hand over to a person", "reason"),
]
SHOP_POLICY = (
    "You are a support agent for an electronics shop. Follow this policy. Always verify the customer's identity first. Refunds are "
    "only possible within 30 days and need explicit confirmation. Never change two orders at once; escalate if the policy does not cover it."
)


def user(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def chat(system: str, *texts: str, **more: Any) -> dict[str, Any]:
    """A system prompt and turns: user, assistant, user, …"""
    turns = [{"role": "user" if i % 2 == 0 else "assistant", "content": t} for i, t in enumerate(texts)]
    head = [{"role": "system", "content": system}] if system else []
    return {"messages": head + turns, **more}


def seen(text: str) -> dict[str, Any]:
    image = {"type": "image_url", "image_url": {"url": "https://files.example/a.png"}}
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": text}, image]}]}


def form(**fields: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    return {"type": "json_schema", "json_schema": {"name": "out", "schema": schema}}


def ran(question: str, output: str, tools: list[dict[str, Any]], system: str = "") -> dict[str, Any]:
    """A loop that waits for its next step: one call made, its result in the messages."""
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": tools[0]["function"]["name"], "arguments": "{}"},
    }
    body = chat(system, question, tools=tools)
    body["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": output},
    ]
    return body


_STR = {"type": "string"}
SHAPED: list[tuple[str, str, dict[str, Any]]] = [
    # agentic
    (
        "agentic",
        "en",
        user(
            "Find the cheapest flight from Oslo to Rome next Friday, book it if it is under 150 euros, otherwise look for a train, then email me the plan.",
            tools=TRAVEL,
        ),
    ),
    (
        "agentic",
        "en",
        ran(
            "The tests in tests/test_io.py fail, find out why and fix it.",
            "FAILED tests/test_io.py::test_read - KeyError",
            SHELL,
        ),
    ),
    (
        "agentic",
        "en",
        ran(
            "fix the build",
            "error: linker `cc` not found",
            SHELL,
            "You are a coding agent working in a repository.",
        ),
    ),
    ("agentic", "en", chat(SHOP_POLICY, "Hi, I want to return my headphones", tools=SHOP)),
    (
        "agentic",
        "en",
        chat(
            SHOP_POLICY,
            "I want to return my headphones",
            "Could you give me your email?",
            "it's kim@mail.example, order 4411",
            tools=SHOP,
        ),
    ),
    (
        "agentic",
        "en",
        user(
            "Go through the repository, find every use of the deprecated client and migrate it, running the tests after each file.",
            tools=SHELL,
        ),
    ),
    (
        "agentic",
        "en",
        user(
            "Plan my trip to Vienna: get flights, check the weather for those days, and only then book a hotel near the centre.",
            tools=[*TRAVEL, *HOME],
        ),
    ),
    (
        "agentic",
        "en",
        ran(
            "Which of our top ten customers have unpaid invoices older than 60 days?",
            '{"rows": 10}',
            [_tool("query", "Run SQL", "sql")],
        ),
    ),
    (
        "agentic",
        "en",
        chat(
            "You are an autonomous web agent. You see the accessibility tree and reply with one action: click [id], type [id] [text], scroll, stop [answer].",
            "OBJECTIVE: What is the price range of wireless earphones?\nURL: http://shop.example/\nOBSERVATION:\n[1] RootWebArea 'Shop'\n[12] link 'Electronics'\n[33] searchbox 'Search'",
        ),
    ),
    (
        "agentic",
        "en",
        chat(
            "Solve the task by interleaving Thought, Action and Observation steps. Available actions: search[query], lookup[term], finish[answer].",
            "Question: Were the directors of both films born in the same country?\nThought 1: I need to search both films.\nAction 1: search[Solaris]\nObservation 1: Solaris is a 1972 film by Andrei Tarkovsky",
        ),
    ),
    (
        "agentic",
        "de",
        user(
            "Storniere meine Bestellung 4711, aber nur wenn sie noch nicht verschickt ist; sonst lege eine Rücksendung an und schick mir das Etikett per E-Mail.",
            tools=SHOP,
        ),
    ),
    (
        "agentic",
        "es",
        user(
            "Busca vuelos a Lima, compara los tres más baratos, reserva el que llegue antes de las 18:00 y después reserva un hotel cerca.",
            tools=TRAVEL,
        ),
    ),
    (
        "agentic",
        "zh",
        user("先查一下我的订单状态，如果还没发货就取消并退款，否则帮我转人工客服。", tools=SHOP),
    ),
    (
        "agentic",
        "fr",
        ran(
            "Trouve la cause de la panne et relance le service si c'est sans risque",
            "status: failed (exit 3)",
            SHELL,
        ),
    ),
    (
        "agentic",
        "ru",
        user(
            "Проверь логи, найди причину ошибки 500, исправь конфиг и перезапусти сервис, потом напиши отчёт.",
            tools=SHELL,
        ),
    ),
    (
        "agentic",
        "en",
        user(
            "Compile a report on the three largest competitors: search for each, read their pricing pages, compare and save the result to a file.",
            tools=[
                _tool("web_search", "Search", "q"),
                _tool("open_page", "Open a page", "url"),
                _tool("save_file", "Save", "path"),
            ],
        ),
    ),
    (
        "agentic",
        "en",
        {
            "input": [
                {"role": "user", "content": "free some disk space on the server"},
                {"type": "function_call", "name": "run", "arguments": "{}", "call_id": "a"},
                {"type": "function_call_output", "call_id": "a", "output": "/dev/sda1 98%"},
            ],
            "tools": [{"type": "function", "name": "run", "parameters": {}}],
        },
    ),
    # function_call
    ("function_call", "en", user("Dim the kitchen lights to 30%", tools=HOME)),
    ("function_call", "en", user("What's the weather in Bergen?", tools=HOME)),
    (
        "function_call",
        "en",
        user(
            "Find the area of a triangle with base 10 and height 5",
            tools=[_tool("calc_triangle_area", "Area of a triangle from base and height", "base", "height")],
        ),
    ),
    ("function_call", "en", user("Show me flights from Berlin to Madrid on 3 May", tools=TRAVEL)),
    (
        "function_call",
        "en",
        user(
            "Get the current price of Apple and Microsoft stock",
            tools=[_tool("get_stock_price", "Price of a stock", "symbol")],
        ),
    ),
    (
        "function_call",
        "en",
        user(
            "wake me at 6:45 tomorrow",
            tools=[_tool("set_alarm", "Set an alarm", "time"), _tool("play_music", "Play", "song")],
        ),
    ),
    (
        "function_call",
        "en",
        user(
            "I'm curious what movies Tilda Swinton has been in, could you look that up?",
            tools=[_tool("search_movies_by_actor", "Movies of an actor", "actor")],
        ),
    ),
    (
        "function_call",
        "en",
        user(
            "Can you translate 'good night' into Thai with the tool?",
            tools=[_tool("translate_text", "Translate text", "text", "target")],
        ),
    ),
    (
        "function_call",
        "en",
        user(
            "Send Maya a message that I'm running ten minutes late",
            tools=[_tool("send_message", "Send a text message", "to", "text")],
        ),
    ),
    (
        "function_call!",
        "en",
        user(
            "Calculate the compound interest on 10000 at 5% for 10 years",
            tools=[_tool("compound_interest", "Compute compound interest", "principal", "rate", "years")],
        ),
    ),
    (
        "function_call",
        "de",
        user("Stell einen Timer auf 12 Minuten", tools=[_tool("set_timer", "Set a timer", "minutes")]),
    ),
    ("function_call", "es", user("¿Qué tiempo hace en Sevilla ahora mismo?", tools=HOME)),
    ("function_call", "fr", user("Allume la lumière du salon", tools=HOME)),
    ("function_call", "ja", user("東京の天気を調べて", tools=HOME)),
    ("function_call", "zh", user("帮我把客厅的灯调到50%", tools=HOME)),
    ("function_call", "ru", user("Какая погода в Самаре?", tools=HOME)),
    (
        "function_call",
        "ko",
        user("내일 아침 7시에 알람 맞춰줘", tools=[_tool("set_alarm", "Set an alarm", "time")]),
    ),
    # tools that decide nothing
    ("chat!", "en", user("thanks, that's all!", tools=HOME)),
    ("chat!", "en", user("What is the capital of Mongolia?", tools=TRAVEL)),
    ("chat!", "en", user("who are you?", tools=SHELL)),
    ("writing!", "en", user("Write a short poem about autumn rain", tools=HOME)),
    ("code!", "en", user("Write a Python function that flattens a nested list", tools=HOME)),
    (
        "math!",
        "en",
        user("If 3 painters need 8 days for a house, how many days do 6 painters need?", tools=TRAVEL),
    ),
    (
        "chat!",
        "en",
        chat(
            "You are a smart-home assistant.",
            "turn on the lamp",
            "Done, the lamp is on.",
            "great, thank you!",
            tools=HOME,
        ),
    ),
    # the answer's form decides nothing
    ("chat!", "en", user("how are you today? answer in json", response_format={"type": "json_object"})),
    ("chat!", "en", user("Who wrote Middlemarch?", response_format=form(answer=_STR))),
    (
        "math!",
        "en",
        user(
            "A car uses 6.2 litres per 100 km. How much fuel does it need for 340 km?",
            response_format=form(answer={"type": "number"}),
        ),
    ),
    (
        "reasoning!",
        "en",
        user(
            "Five people queue: Ada is before Ben, Cem is last, Dia is right after Ada, Eli is not first. What is the order?",
            response_format=form(order=_STR),
        ),
    ),
    (
        "extraction",
        "en",
        user(
            "Reservation for Dana Whitfield, 4 people, 12 March 19:30, near the window, tel 555-0144",
            response_format=form(name=_STR, people=_STR, date=_STR, time=_STR, phone=_STR),
        ),
    ),
    (
        "classification",
        "en",
        user(
            "The courier threw the parcel over the fence.",
            response_format=form(sentiment={"type": "string", "enum": ["positive", "negative", "neutral"]}),
        ),
    ),
    # system prompts that set the task
    (
        "translation",
        "en",
        chat(
            "You are a professional translator. Translate every user message into Korean.",
            "Please find the invoice attached.",
        ),
    ),
    (
        "translation",
        "de",
        chat(
            "Übersetze jede Nachricht ins Französische. Antworte nur mit der Übersetzung.",
            "Wie viele Äpfel sind noch da?",
        ),
    ),
    (
        "classification",
        "en",
        chat(
            "Label each message as bug, feature or question. Reply with the label only.",
            "It would be nice to sort by date",
        ),
    ),
    (
        "classification",
        "en",
        chat("You are a content moderator. Answer SAFE or UNSAFE.", "how do I sharpen a kitchen knife"),
    ),
    (
        "extraction",
        "en",
        chat(
            "Extract the product, quantity and delivery date from the user's message as JSON.",
            "we'd need 40 boxes of A4 paper by the end of next week",
        ),
    ),
    ("document", "en", chat("Summarize what the user pastes in two bullet points.", NEWS)),
    (
        "document",
        "en",
        chat(f"Answer from the context only.\n\nContext:\n{PASSAGE}", "how big was the lake in 2007?"),
    ),
    (
        "writing",
        "en",
        chat(
            "You are a copywriter for a shoe brand.", "something for our spring newsletter, playful, 80 words"
        ),
    ),
    (
        "chat",
        "en",
        chat("You are a helpful assistant for a mobile bank.", "I lost my card, what should I do?"),
    ),
    (
        "code",
        "en",
        chat(
            "You are a senior backend engineer. Answer briefly.",
            "difference between optimistic and pessimistic locking?",
        ),
    ),
    # short follow-ups take the earlier turn's task
    (
        "math!",
        "en",
        chat("", "What do I pay in total for 3 shirts at 19.90 with 10% off?", "53.73", "and with 15%?"),
    ),
    (
        "code!",
        "en",
        chat(
            "",
            "Write a function in Rust that reverses words in a string",
            "fn rev(s: &str) -> String { … }",
            "now without allocating",
        ),
    ),
    ("writing!", "en", chat("", "Write a short poem about the sea", "Waves of silver …", "make it sadder")),
    (
        "translation!",
        "en",
        chat("", "Translate 'good luck' to Spanish", "Buena suerte", "and in Portuguese?"),
    ),
    (
        "math!",
        "de",
        chat("", "Wie viel Zinsen bringen 2000 Euro bei 3 % in 5 Jahren?", "318,55 Euro", "und bei 4 %?"),
    ),
    (
        "chat!",
        "en",
        chat("", "Why do cats purr?", "Cats purr for several reasons …", "and what about lions?"),
    ),
    ("math!", "es", chat("", "¿Cuánto es el 12% de 350?", "42", "¿y el 15%?")),
    ("code!", "zh", chat("", "用Java写一个单例模式", "public class Singleton …", "那线程安全的版本呢？")),
    # an earlier turn about something else decides nothing
    (
        "chat!",
        "en",
        chat(
            "",
            "Write a Python script that renames files",
            "import os …",
            "What should I cook tonight with spinach and eggs?",
        ),
    ),
    ("math!", "en", chat("", "Tell me a joke", "Why did the chicken …", "Solve 3x - 7 = 2x + 5")),
    # vision
    ("vision", "en", seen("What is the brand name on the bottle?")),
    ("vision", "en", seen("Describe this picture in detail.")),
    ("vision", "en", seen("what does the sign say?")),
    ("vision", "en", seen("Transcribe the handwritten note.")),
    ("vision", "en", seen("Is there a dog in the photo? Answer yes or no.")),
    ("vision", "en", seen("What is the total on this receipt?")),
    ("vision", "en", seen("Write alt text for this image")),
    ("vision", "en", seen("What time does the clock show?")),
    ("vision", "en", seen("who is the author of this book?")),
    ("vision", "en", seen("Extract all text from the screenshot")),
    ("vision", "de", seen("Was ist auf dem Foto zu sehen?")),
    ("vision", "fr", seen("De quelle couleur est la voiture ?")),
    ("vision", "es", seen("¿Qué pone en el cartel?")),
    ("vision", "zh", seen("图片里的动物是什么？")),
    ("vision", "ja", seen("この写真には何が写っていますか？")),
    ("vision", "ru", seen("Что написано на вывеске?")),
    # vision_reasoning
    (
        "vision_reasoning",
        "en",
        seen("What is the difference between the highest and the lowest bar in the chart?"),
    ),
    (
        "vision_reasoning",
        "en",
        seen("Find the value of x in the triangle.\nChoices:\n(A) 30\n(B) 45\n(C) 60\n(D) 75"),
    ),
    ("vision_reasoning", "en", seen("Recreate this page with HTML and Tailwind.")),
    ("vision_reasoning", "en", seen("In which year did the revenue grow fastest, and by how much?")),
    ("vision_reasoning", "en", seen("Which piece completes the pattern? Explain step by step.")),
    (
        "vision_reasoning",
        "en",
        seen(
            "Hint: Please answer the question requiring an integer answer and provide the final value at the end.\nQuestion: What is the sum of the accuracies of the two methods?"
        ),
    ),
    ("vision_reasoning", "en", seen("Black to move. What is the best move?")),
    ("vision_reasoning", "en", seen("According to the circuit diagram, what current flows through R2?")),
    (
        "vision_reasoning",
        "en",
        seen(
            "<image 1> The graph shows supply and demand. What happens to the equilibrium price if a tax of 2 is added?\nA. rises by 2\nB. rises by less than 2\nC. falls\nD. unchanged"
        ),
    ),
    (
        "vision_reasoning",
        "en",
        seen("Plan the fastest route from A to D on this metro map with at most one change"),
    ),
    (
        "vision_reasoning",
        "de",
        seen("Um wie viel Prozent ist der Umsatz laut Diagramm von 2020 bis 2023 gestiegen?"),
    ),
    ("vision_reasoning", "fr", seen("Calcule l'aire de la figure.")),
    (
        "vision_reasoning",
        "es",
        seen("Según el gráfico, ¿cuál es la diferencia entre las ventas de enero y marzo?"),
    ),
    ("vision_reasoning", "zh", seen("如图，求阴影部分的面积。")),
    ("vision_reasoning", "ja", seen("グラフから2021年と2022年の差を計算してください")),
]


def rows() -> list[tuple[str, str, bool, dict[str, Any]]]:
    """(label, language, adversarial, body) of every hand-written request."""
    plain = [(label, lang, user(text)) for label, lang, text in TEXT]
    return [(label.rstrip("!"), lang, label.endswith("!"), body) for label, lang, body in plain + SHAPED]

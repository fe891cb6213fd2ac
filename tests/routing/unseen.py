"""A second hand-written set, complete before it was first scored (.86 accuracy, .91 two-class); its errors were never read row by row."""

from __future__ import annotations

from typing import Any

TEXT: list[tuple[str, str, str]] = [
    ("code", "en", "What's the idiomatic way to check that a slice contains a value in Go 1.21?"),
    (
        "code",
        "en",
        "You have n tasks with deadlines. For each test case, print the maximum number that can be finished.\n\nInput: The first line contains an integer T.\nOutput: one integer per line.\n\nSample Input\n1\n3\n1 2 2\nSample Output\n2",
    ),
    ("code", "en", "pandas groupby then keep only the top 3 rows per group"),
    (
        "code",
        "en",
        'My Flask app works locally but on the server I get "address already in use". How do I find what holds port 5000?',
    ),
    ("code", "en", "Write a query listing every customer who placed at least two orders in 2023."),
    (
        "code",
        "en",
        "def mean(xs):\n    return sum(xs) / len(xs)\n\nmake it handle empty input and add type hints",
    ),
    ("code", "en", "Explain what git bisect is good for and show how to script it"),
    (
        "code",
        "en",
        "Given two strings s and t, return true if t is an anagram of s. Follow-up: what if the inputs contain Unicode?",
    ),
    ("code", "de", "Wie vermeide ich in React unnötige Re-Renders einer langen Liste?"),
    ("code", "zh", "用SQL查询每个部门工资最高的员工"),
    ("code", "ru", "Как развернуть приложение на Django с помощью nginx и gunicorn?"),
    ("code", "ja", "JavaScriptで日付をYYYY-MM-DD形式に整形する関数を書いてください"),
    (
        "math",
        "en",
        "Marta bakes 45 muffins. She sells two thirds of them at 3 dollars each and gives the rest away. How much money does she make?",
    ),
    ("math", "en", "Compute $\\sum_{k=1}^{n} k^3$ in closed form and prove it by induction."),
    ("math", "en", "What is the standard deviation of 4, 8, 15, 16, 23, 42?"),
    (
        "math",
        "en",
        "A projectile is launched at 20 m/s at an angle of 40 degrees. Neglecting air resistance, how far does it travel?",
    ),
    (
        "math",
        "en",
        "The ratio of boys to girls in a class is 3:5 and there are 40 pupils. How many girls are there?\nA. 15 B. 20 C. 25 D. 30",
    ),
    ("math", "fr", "Un article coûte 80 € après une remise de 20 %. Quel était son prix initial ?"),
    ("math", "es", "Resuelve el sistema: 2x + y = 7, x - y = 2"),
    (
        "math",
        "de",
        "Anna ist dreimal so alt wie Ben. In 10 Jahren ist sie doppelt so alt wie er. Wie alt sind beide heute?",
    ),
    ("math", "ja", "1個120円のりんごを5個と、1本80円のバナナを3本買うと、代金はいくらですか。"),
    ("math", "ko", "둘레가 36cm인 정사각형의 넓이를 구하세요."),
    (
        "reasoning",
        "en",
        "Four runners finished a race. Kim was not last. Lee finished directly behind Mo. Nia beat Kim. In what order could they have finished?",
    ),
    (
        "reasoning",
        "en",
        "A snail climbs 3 feet by day and slips 2 feet by night in a 10 foot well. Someone says it needs 10 days. Are they right? Think it through.",
    ),
    (
        "reasoning",
        "en",
        "We can hire one senior or two juniors for the same money. The roadmap has one risky migration and lots of small tickets. What would you do and why?",
    ),
    (
        "reasoning",
        "en",
        "If some wugs are daxes and no daxes are feps, which of these must be true?\n(A) Some wugs are not feps\n(B) All wugs are feps\n(C) No wugs are feps",
    ),
    (
        "reasoning",
        "en",
        "The office printer only fails after 4 pm, only for PDF files and only from the third floor. What could explain all three facts, and how would you narrow it down?",
    ),
    (
        "reasoning",
        "es",
        "Tres cajas tienen etiquetas incorrectas: manzanas, naranjas y mezcla. Sacando una sola fruta, ¿cómo corriges todas las etiquetas?",
    ),
    (
        "reasoning",
        "zh",
        "小王、小李、小张三人的职业分别是医生、教师和律师。小张比律师年龄大，小王和教师不同岁，教师比小李年龄小。请问谁是医生？",
    ),
    (
        "reasoning",
        "ru",
        "В комнате три выключателя, за дверью одна лампочка. Войти можно только один раз. Как узнать, какой выключатель её включает?",
    ),
    ("chat", "en", "What are the side effects of ibuprofen?"),
    ("chat", "en", "Who was the first woman to win a Nobel Prize?"),
    ("chat", "en", "I'm moving to Lisbon next month, anything I should know?"),
    ("chat", "en", "Why did the Roman Republic fall?"),
    ("chat", "en", "can you recommend a good podcast about astronomy"),
    ("chat", "en", "What's the difference between jazz and blues?"),
    ("chat", "en", "My dog ate a grape, should I worry?"),
    ("chat", "fr", "Comment faire pousser des tomates sur un balcon ?"),
    ("chat", "zh", "中秋节有什么传统习俗？"),
    ("chat", "ar", "كيف يمكنني تحسين لغتي الإنجليزية؟"),
    ("chat", "pt", "Qual é a capital da Mongólia?"),
    ("writing", "en", "Write a LinkedIn post announcing that I have joined a climate startup"),
    ("writing", "en", "Pretend you are a ghost who is afraid of people and introduce yourself"),
    (
        "writing",
        "en",
        "Rewrite this so a child understands it: Photosynthesis converts light energy into chemical energy.",
    ),
    ("writing", "en", "Give me a catchy title for an article about sleep and teenagers"),
    ("writing", "es", "Redacta un correo para pedir vacaciones en agosto"),
    ("writing", "ja", "友人の結婚式のスピーチを考えてください"),
    ("writing", "ru", "Напиши поздравление коллеге с выходом на пенсию"),
    (
        "document",
        "en",
        "Article: The city council voted on Monday to close the old bridge for repairs. The work is expected to take eight months and cost 2.4 million. Shopkeepers on the east bank fear for their trade and asked for compensation, which the mayor promised to consider.\n\nSummary:",
    ),
    (
        "document",
        "en",
        "The honey badger is found in Africa, Southwest Asia and the Indian subcontinent. It is mainly a carnivorous species and has few natural predators because of its thick skin, strength and ferocious defensive abilities. Adults are solitary and sleep in burrows they dig themselves.\nWhy does the honey badger have few predators?",
    ),
    (
        "document",
        "de",
        "Beantworte die Frage anhand des Textes.\n\nText: Die Stadtbibliothek bleibt wegen Umbaus bis Ende März geschlossen. Ausgeliehene Medien können in dieser Zeit im Rathaus abgegeben werden. Mahngebühren fallen nicht an.\n\nFrage: Wo kann man Bücher zurückgeben?",
    ),
    (
        "document",
        "zh",
        "阅读下面的短文，回答问题。\n\n张先生退休以后开始学习书法，每天早上练习两个小时。三年后，他的作品参加了市里的展览，还得了奖。\n\n问题：张先生学了多久书法才得奖？",
    ),
    (
        "extraction",
        "en",
        "Pull out all the medications and dosages: Patient takes metformin 500 mg twice daily and lisinopril 10 mg in the morning.",
    ),
    (
        "extraction",
        "en",
        "Convert the following recipe into JSON with keys ingredient and amount: 2 cups flour, 1 tsp salt, 3 eggs",
    ),
    (
        "extraction",
        "es",
        "Extrae el nombre del cliente y el número de pedido: Hola, soy Laura Gil y mi pedido 8841 no ha llegado.",
    ),
    ("extraction", "ja", "以下の文章から日付と場所を抜き出してください。会議は6月3日に大阪で行われます。"),
    (
        "classification",
        "en",
        'Label the following tweet as hate speech or not hate speech: "people from that town are all thieves"',
    ),
    (
        "classification",
        "en",
        "Sentence 1: The cat slept. Sentence 2: The cat was awake. Do these contradict each other? yes or no",
    ),
    ("classification", "en", 'Movie review: "Two hours I will never get back."\nSentiment:'),
    (
        "classification",
        "fr",
        "Ce commentaire est-il positif ou négatif ? « Service impeccable, je reviendrai. »",
    ),
    ("classification", "zh", "这封邮件是垃圾邮件吗？只回答是或否：恭喜您获得一等奖，请点击链接领取。"),
    ("translation", "en", "Translate into Brazilian Portuguese: Please keep your ticket until the exit."),
    ("translation", "en", "Chinese: 他昨天没有来。\nEnglish:"),
    ("translation", "fr", "Comment dit-on « je suis en retard » en allemand ?"),
    ("translation", "ru", "Переведите следующий текст на немецкий язык: Библиотека закрыта по воскресеньям."),
    ("translation", "ko", "이 문장을 일본어로 번역해줘: 내일 다시 전화할게요."),
]


def rows() -> list[tuple[str, str, dict[str, Any]]]:
    """(label, language, body) of every row."""
    return [(label, lang, {"messages": [{"role": "user", "content": text}]}) for label, lang, text in TEXT]

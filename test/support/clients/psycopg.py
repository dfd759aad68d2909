"""psycopg2, driven by lines on stdin: `WHAT FORM CONNINFO`. Prints what it was told, then a line with a dot."""
import select
import sys
import threading

import psycopg2
import psycopg2.extensions
import psycopg2.extras
from io import StringIO

READS = [
    ("SELECT * FROM shop WHERE id = %s", (7,)),
    ("SELECT * FROM shop WHERE id = %s", (100000,)),
    ("SELECT name, price, big FROM shop WHERE id IN (%s, %s) ORDER BY id", (3, 5)),
    ("SELECT count(*), sum(price), max(big) FROM shop WHERE price > %s", (100,)),
    ("SELECT id, tags, data, raw FROM shop ORDER BY id LIMIT 20", ()),
    ("SELECT a.id FROM shop a JOIN shop b ON b.id = a.id + 1 WHERE a.id < %s ORDER BY 1", (9,)),
    ('SELECT name AS "Ünïcode" FROM shop WHERE name = %s', ("thing 11",)),
]


def plain(value):
    if isinstance(value, memoryview):
        return bytes(value)
    return value


def show(cursor):
    if cursor.description is None:
        print(cursor.statusmessage, cursor.rowcount)
        return
    print(cursor.statusmessage, [(c.name, c.type_code) for c in cursor.description])
    for row in cursor.fetchall():
        print([plain(value) for value in row])


def attempt(connection, cursor, sql, values=None):
    try:
        cursor.execute(sql, values)
        show(cursor)
    except psycopg2.Error as error:
        print(type(error).__name__, error.pgcode, error.diag.message_primary, error.diag.statement_position)
        if not connection.autocommit:
            connection.rollback()


def reads(connection, form):
    connection.autocommit = True
    cursor = connection.cursor()
    for i, (sql, values) in enumerate(READS):
        if form == "prepared":
            holders = sql
            for n in range(len(values)):
                holders = holders.replace("%s", "$%d" % (n + 1), 1)
            cursor.execute("PREPARE p%d AS %s" % (i, holders))
            arguments = "(%s)" % ", ".join(["%s"] * len(values)) if values else ""
            for _ in range(2):
                attempt(connection, cursor, "EXECUTE p%d %s" % (i, arguments), values)
            cursor.execute("DEALLOCATE p%d" % i)
        else:
            attempt(connection, cursor, sql, values)


def transactions(connection):
    cursor = connection.cursor()
    for sql in [
        "INSERT INTO log (line) VALUES ('one'), ('two') RETURNING id, line",
        "SAVEPOINT s",
        "SELECT 1 / 0",
    ]:
        attempt(connection, cursor, sql)
    attempt(connection, cursor, "SELECT count(*) FROM log")
    connection.commit()
    with connection:
        cursor.executemany("INSERT INTO log (line) VALUES (%s)", [("a",), ("b",), ("c",)])
    connection.set_session(isolation_level="SERIALIZABLE", readonly=True)
    attempt(connection, cursor, "SHOW transaction_isolation")
    attempt(connection, cursor, "INSERT INTO log (line) VALUES ('not here')")
    connection.set_session(isolation_level="READ COMMITTED", readonly=False)
    with connection.cursor("named") as named:
        named.itersize = 7
        named.execute("SELECT id FROM shop ORDER BY id")
        print([row[0] for row in named])
    connection.rollback()
    attempt(connection, cursor, "SELECT fail(1)")
    print([notice.split("\n")[0] for notice in connection.notices])
    connection.rollback()


def bulk(connection):
    cursor = connection.cursor()
    cursor.copy_from(StringIO("first\nsecond\n\\N\n"), "log", columns=("line",))
    target = StringIO()
    cursor.copy_expert("COPY (SELECT line FROM log ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)", target)
    print(target.getvalue())
    try:
        cursor.copy_expert("COPY shop (id) FROM STDIN", StringIO("1\nnot a number\n"))
    except psycopg2.Error as error:
        print(error.pgcode, error.diag.message_primary, error.diag.context)
    connection.rollback()
    psycopg2.extras.execute_values(cursor, "INSERT INTO log (line) VALUES %s RETURNING line", [("v%d" % i,) for i in range(250)])
    print(len(cursor.fetchall()))
    connection.rollback()
    large = connection.lobject(0, "wb")
    oid = large.oid
    large.write(b"x" * 100000)
    large.seek(5)
    large.close()
    again = connection.lobject(oid, "rb")
    print(len(again.read()), again.tell())
    again.unlink()
    connection.commit()


def signals(connection, conninfo):
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("LISTEN news")
    cursor.execute("NOTIFY news, 'hello'")
    while not connection.notifies:
        select.select([connection], [], [], 10)
        connection.poll()
    print([(notify.channel, notify.payload) for notify in connection.notifies])
    timer = threading.Timer(0.2, connection.cancel)
    timer.start()
    attempt(connection, cursor, "SELECT pg_sleep(30)")
    timer.join()
    attempt(connection, cursor, "SELECT 'after the cancel'")
    asynchronous = psycopg2.connect(conninfo, async_=True)
    psycopg2.extras.wait_select(asynchronous)
    later = asynchronous.cursor()
    later.execute("SELECT name FROM shop WHERE id = 4")
    psycopg2.extras.wait_select(asynchronous)
    print(later.fetchall())
    asynchronous.close()


def mixed(connection, conninfo):
    cursor = connection.cursor()
    cursor.execute(open(sys.argv[1]).read())
    connection.commit()
    transactions(connection)
    bulk(connection)
    for sql in ["SELEC 1", "SELECT * FROM nowhere", "", "SELECT 1; SELECT 2", "SET TimeZone = 'Asia/Tokyo'"]:
        attempt(connection, cursor, sql)
    attempt(connection, cursor, "SELECT at FROM shop WHERE id = %s", (1,))
    connection.rollback()
    connection.reset()
    attempt(connection, cursor, "SELECT at FROM shop WHERE id = %s", (1,))
    connection.rollback()
    signals(connection, conninfo)


for line in sys.stdin:
    what, form, conninfo = line.strip().split(" ", 2)
    connection = psycopg2.connect(conninfo)
    if what == "mixed":
        mixed(connection, conninfo)
    else:
        reads(connection, form)
    connection.close()
    print(".", flush=True)

#!/usr/bin/env python3
"""Ledger benchmarks beside DuckDB: the same files, the same run, one process per measurement.

    pip install duckdb
    python3 crates/ledger/benches/compare.py [--rows 1000000] [--runs 5] [--large]

Both read orders.csv and settlement.txt, check that every settlement sums to its own total, and match orders with the sum of their
sale lines by reference and amount. DuckDB gets the column types (no sniffing), both cores, and the faster of two ways: a temporary
table read once, or both queries straight from the file. Runs alternate; the table shows the fastest of each and the median.
Nothing here depends on the network.
"""
import argparse, json, os, resource, statistics, subprocess, sys, tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))

DUCK = r'''
import json, sys, time
from_ = time.perf_counter()
import duckdb
d, way = sys.argv[1], sys.argv[2]
c = duckdb.connect(); c.execute("SET threads=2"); c.execute("SET enable_progress_bar=false")
names = open(d + "/settlement.txt").readline().rstrip("\n").split("\t")
types = {n: "DECIMAL(18,2)" if n in ("total-amount", "amount") else "VARCHAR" for n in names}
cols = "{" + ",".join(f"'{n}':'{t}'" for n, t in types.items()) + "}"
lines = f"""SELECT "settlement-id" sid, "total-amount" total, "transaction-type" kind, "order-id" oid, "amount-type" aty,
  "amount-description" ades, amount FROM read_csv('{d}/settlement.txt', delim='\t', header=true, quote='', auto_detect=false, columns={cols})"""
orders = f"""SELECT id, total FROM read_csv('{d}/orders.csv', header=true, auto_detect=false,
  columns={{'id':'VARCHAR','account':'VARCHAR','placed_at':'VARCHAR','currency':'VARCHAR','total':'DECIMAL(18,2)'}})"""
source = f"({lines})"
if way == "table":
    c.execute(f"CREATE TEMP TABLE lines AS {lines}"); source = "lines"
feet = c.execute(f"SELECT sid, sum(amount) s, max(total) t FROM {source} GROUP BY sid").fetchall()
assert all(s == t for _, s, t in feet), "not footing"
row = c.execute(f"""SELECT count(*) FILTER (o.total = l.s), count(*) FILTER (o.total <> l.s), count(*) FILTER (o.id IS NULL),
  count(*) FILTER (l.oid IS NULL) FROM ({orders}) o FULL OUTER JOIN (SELECT oid, sum(amount) s FROM {source}
  WHERE aty = 'ItemPrice' AND kind = 'Order' GROUP BY oid) l ON o.id = l.oid""").fetchone()
ms = int((time.perf_counter() - from_) * 1000)
peak = next(int(l.split()[1]) // 1024 for l in open("/proc/self/status") if l.startswith("VmHWM"))
print(json.dumps({"what": "duckdb " + way, "milliseconds": ms, "peak_mib": peak,
  "counts": {"settlements": len(feet), "matched": row[0], "mismatched": row[1], "provider_only": row[2], "open": row[3]}}))
'''

def binary():
    out = subprocess.run(["cargo", "bench", "-p", "tradewind-ledger", "--bench", "large", "--no-run", "--message-format=json"],
                         cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [m["executable"] for m in map(json.loads, out.splitlines()) if m.get("executable") and m["target"]["name"] == "large"][-1]

def cpu():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime

def run(command):
    before = cpu()
    result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
    return result | {"cpu": int((cpu() - before) * 1000)}

def show(name, results):
    ms = [r["milliseconds"] for r in results]
    print(f"{name:<34}{min(ms):>9} ms best {statistics.median(ms):>9.0f} ms median {min(r['cpu'] for r in results):>7} ms of processor {max(r['peak_mib'] for r in results):>7} MiB  {results[-1]['counts']}", flush=True)
    return min(ms), max(r["peak_mib"] for r in results)

def main():
    a = argparse.ArgumentParser(); a.add_argument("--rows", type=int, default=1_000_000); a.add_argument("--runs", type=int, default=5)
    a.add_argument("--large", action="store_true", help="also 10 million lines, the full reconciliation, and workbooks")
    a.add_argument("--binary", help="of the bench, where it is built already"); a = a.parse_args()
    exe = a.binary or binary()
    with tempfile.TemporaryDirectory() as d:
        subprocess.run([exe, "generate", d, str(a.rows), str(a.rows)], check=True)
        ours, table, direct, small = [], [], [], []
        for _ in range(a.runs):
            ours.append(run([exe, "match", d]))
            table.append(run([sys.executable, "-c", DUCK, d, "table"]))
            direct.append(run([sys.executable, "-c", DUCK, d, "direct"]))
            small.append(run([exe, "incremental", d]))
        for r in table + direct:
            for key in ("settlements", "matched", "mismatched", "provider_only", "open"):
                assert r["counts"][key] == ours[0]["counts"][key], (key, r, ours[0])
        print(f"{a.rows} orders x {a.rows} settlement lines, {os.cpu_count()} cores")
        (t, m), duck = show("tradewind", ours), [show("duckdb, temporary table", table), show("duckdb, straight from the file", direct)]
        best = min(duck)
        print(f"time {t / best[0]:.2f} x DuckDB, memory {m / min(x[1] for x in duck):.2f} x DuckDB's smaller")
        show("10,000 lines against the open items", small)
        if a.large:
            for rows in (100_000, 1_000_000):
                show(f"workbook of {rows} lines", [run([exe, "xlsx", str(rows), d + "/lines.xlsx"])])
            show("full reconciliation, 100,000", [full(exe, 100_000)])
    if a.large:
        with tempfile.TemporaryDirectory() as d:
            subprocess.run([exe, "generate", d, "5000000", "10000000"], check=True)
            show("10,000,000 lines, 5,000,000 orders", [run([exe, "match", d])])

def full(exe, rows):
    with tempfile.TemporaryDirectory() as d:
        subprocess.run([exe, "generate", d, str(rows), str(rows)], check=True)
        return run([exe, "full", d])

main()

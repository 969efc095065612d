"""Make the sample set anew: `python web/samples/make_samples.py [FOLDER]`. All of it is made up.

INVOICES is the truth; each layout shows it in its own awkward way. expected.json, made from the
same rows, is what tests and the benchmark compare with. The same bytes come out each time.
"""

from __future__ import annotations

import csv
import io
import json
import random
import sys
import zipfile
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import docx
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

HERE = Path(__file__).resolve().parent
LINE_PT = 14

# file, vendor, number, ISO date, currency, total
INVOICES = [
    ("aurora-print.pdf", "Aurora Print Ltd", "AP-2291", "2026-03-02", "GBP", "486.00"),
    ("birch-and-sons.txt", "Birch & Sons Carpentry", "B-1042", "2026-03-04", "USD", "1250.75"),
    ("blumenfeld.pdf", "Blumenfeld GmbH", "2026-0318", "2026-03-18", "EUR", "1190.00"),
    ("cafe-lumiere.txt", "Café Lumière", "F-553", "2026-03-05", "EUR", "312.40"),
    ("delta-cloud-march.pdf", "Delta Cloud Inc", "DC-88121", "2026-03-31", "USD", "2049.90"),
    ("delta-cloud-april.txt", "Delta Cloud Inc", "DC-88479", "2026-04-30", "USD", "1979.90"),
    ("edelweiss.docx", "Edelweiss Treuhand AG", "E-7710", "2026-03-12", "CHF", "3400.50"),
    ("fern-gardens.docx", "Fern Gardens", "1187", "2026-04-01", "GBP", "265.00"),
    ("garcia-catering.txt", "Garcia Catering", "GC-064", "2026-04-09", "EUR", "874.50"),
    ("harbour-freight.pdf", "Harbour Freight Lines", "HFL/26/310", "2026-04-03", "USD", "5610.00"),
    ("harbour-letter.txt", "Harbour Freight Lines", "HFL/26/352", "2026-04-21", "USD", "740.25"),
    ("it-supplies.csv", "IT Supplies Direct", "ITS-3307", "2026-03-27", "EUR", "2318.95"),
    ("jansen.docx", "Jansen Schoonmaak BV", "20260044", "2026-04-14", "EUR", "423.50"),
    ("blumenfeld-april.txt", "Blumenfeld GmbH", "2026-0427", "2026-04-27", "EUR", "1428.00"),
    ("scan-of-delta.docx", "DELTA CLOUD INC", "DC-88121", "2026-03-31", "USD", "2049.90"),
]
DUPLICATES = [("scan-of-delta.docx", "delta-cloud-march.pdf")]

TEXTS = {
    "birch-and-sons.txt": """\
BIRCH & SONS CARPENTRY                          14 Mill Lane, Portland
                                                Tel 503 555 0142

INVOICE No. B-1042                              Date: March 4, 2026
Bill to: Northwind Office, 200 Main Street

  Qty  Description                  Unit        Amount
   1   Reception desk, oak          980.00      980.00
   3   Shelf brackets                45.25      135.75
   1   Fitting                      135.00      135.00
                                             ----------
                                    TOTAL   $1,250.75

Payment within 30 days. Thank you for your custom!
""",
    "cafe-lumiere.txt": """\
Café Lumière
12, rue des Lilas, 69003 Lyon

FACTURE F-553
Date : 5 mars 2026
Client : Northwind Office

Petit-déjeuner d'équipe, 24 personnes       284,00
TVA 10 %                                     28,40
Total TTC                                   312,40 €

À régler sous 15 jours.
""",
    "delta-cloud-april.txt": """\
AMOUNT DUE: USD 1,979.90           (due 2026-05-15)
===================================================
Delta Cloud Inc | billing@deltacloud.example
Invoice DC-88479 | issued 2026-04-30 | account 4471-22

compute      1,310.00
storage        489.90
support        180.00
===================================================
Last month's invoice DC-88121 over 2,049.90 was received, thank you.
""",
    "garcia-catering.txt": """\
From: Garcia Catering <cuentas@garcia.example>
Subject: Invoice GC-064

Hello Northwind team,

here is our invoice GC-064 of 9 April 2026 for the spring party:
buffet for 45 guests at 17.00 each, that is 765.00, and 109.50 for drinks,
so the total comes to EUR 874.50. Please pay to ES91 2100 0418 4502 0005 1332.

Un saludo,
Lucía García
Garcia Catering
""",
    "harbour-letter.txt": """\
HARBOUR FREIGHT LINES
Pier 9, Oakland

April 21, 2026

Re: storage of container MSKU 442 017, our reference HFL/26/352

Dear Sir or Madam,

Your container stood on our pier for nine days beyond the free period. At 82.25 a day this
makes seven hundred forty dollars and twenty-five cents (USD 740.25), which we kindly ask
you to pay within two weeks.

Sincerely,
Harbour Freight Lines
""",
    "blumenfeld-april.txt": """\
Blumenfeld GmbH - Bürobedarf                        Rechnung
Lindenstr. 8, 10969 Berlin

Rechnungs-Nr.: 2026-0427           Rechnungsdatum: 27.04.2026
Kunde: Northwind Office

Pos  Bezeichnung                       Betrag
1    Stühle, 4 Stück zu 300,00        1.200,00
                          Netto       1.200,00
                    USt. 19 %           228,00
             Rechnungsbetrag EUR      1.428,00

Zahlbar bis 11.05.2026 ohne Abzug.
""",
}

PDFS = {
    "aurora-print.pdf": """\
Aurora Print Ltd                                        INVOICE
Unit 4, Dock Road, Leeds                                AP-2291
VAT GB 123 4567 89                                      2 March 2026

To: Northwind Office

Brochures, 500 at £0.72                                 £360.00
Design                                                   £45.00
                                           Subtotal     £405.00
                                           VAT 20%       £81.00
                                           Total        £486.00
""",
    "blumenfeld.pdf": """\
Blumenfeld GmbH - Bürobedarf                            Rechnung
Lindenstr. 8, 10969 Berlin

Rechnungs-Nr. 2026-0318                    Datum 18.03.2026
Kunde: Northwind Office

Schreibtische, 2 zu 500,00                             1.000,00
Netto                                                  1.000,00
USt. 19 %                                                190,00
Rechnungsbetrag EUR                                    1.190,00

Zahlbar bis 01.04.2026. IBAN DE02 1203 0000 0000 2020 51
""",
    "delta-cloud-march.pdf": """\
TOTAL DUE  USD 2,049.90                    Delta Cloud Inc
                                           500 Server Way, Reno
Invoice    DC-88121
Issued     2026-03-31
Account    4471-22
---------------------------------------------------------------
compute                                                1,380.00
storage                                                  489.90
support                                                  180.00
""",
    "harbour-freight.pdf": """\
HARBOUR FREIGHT LINES              | Invoice HFL/26/310
Pier 9, Oakland                    | 04/03/2026
-----------------------------------+---------------------------
Ocean freight Shanghai - Oakland   |                 USD 4,900.00
Customs clearance                  |                 USD   410.00
Drayage                            |                 USD   300.00
-----------------------------------+---------------------------
Please remit                       |                 USD 5,610.00
Payment terms: 30 days (by 05/03/2026), after 04/17/2026 no claims.
""",
}


def write_docx(
    folder: Path, name: str, before: list[str], table: list[list[str]], after: list[str]
) -> None:
    document = docx.Document()
    for line in before:
        document.add_paragraph(line)
    if table:
        grid = document.add_table(rows=0, cols=len(table[0]))
        for row in table:
            for cell, text in zip(grid.add_row().cells, row, strict=True):
                cell.text = text
    for line in after:
        document.add_paragraph(line)
    document.core_properties.author = "Forestaff samples"
    made = io.BytesIO()
    document.save(made)
    (folder / name).write_bytes(without_times(made.getvalue()))


def without_times(archive: bytes) -> bytes:
    """The same zip archive with every file dated 1980, as zip dates begin."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for part in old.infolist():
            new.writestr(zipfile.ZipInfo(part.filename), old.read(part), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def write_pdf(folder: Path, name: str, text: str) -> None:
    canvas = Canvas(str(folder / name), pagesize=A4, invariant=1)
    canvas.setFont("Courier", 9.5)
    for number, line in enumerate(text.splitlines()):
        canvas.drawString(50, 780 - number * LINE_PT, line)
    canvas.save()


def make_invoices(folder: Path) -> None:
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, text in PDFS.items():
        write_pdf(folder, name, text)
    write_docx(
        folder,
        "edelweiss.docx",
        ["Edelweiss Treuhand AG, Bahnhofstrasse 3, 8001 Zürich", "Rechnung E-7710 vom 12.03.2026"],
        [
            ["Leistung", "Std.", "CHF"],
            ["Jahresabschluss", "14", "2'800.00"],
            ["Beratung", "3", "345.70"],
            ["MWST 8.1%", "", "254.80"],
            ["Total inkl. MWST", "", "3'400.50"],
        ],
        ["Zahlbar innert 30 Tagen. Northwind Office, z.Hd. Buchhaltung"],
    )
    write_docx(
        folder,
        "fern-gardens.docx",
        ["FERN GARDENS", "Invoice number: 1187", "1st April 2026", "Customer: Northwind Office"],
        [["Weekly plant care, March", "£220.00"], ["New pots", "£45.00"], ["To pay", "£265.00"]],
        ["Fern Gardens is a sole trader and not registered for VAT."],
    )
    write_docx(
        folder,
        "jansen.docx",
        ["Jansen Schoonmaak BV", "Factuur 20260044", "Datum: 14-04-2026", "Aan: Northwind Office"],
        [
            ["Omschrijving", "Bedrag"],
            ["Schoonmaak kantoor april", "€ 350,00"],
            ["BTW 21%", "€ 73,50"],
            ["Te betalen", "€ 423,50"],
        ],
        [],
    )
    write_docx(
        folder,
        "scan-of-delta.docx",
        ["Copied from paper, please file.", "DELTA CLOUD INC", "Invoice: DC-88121"],
        [["Issued", "2026-03-31"], ["Total due", "2,049.90 USD"]],
        ["500 Server Way, Reno"],
    )
    with (folder / "it-supplies.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow(["Supplier", "Invoice No", "Invoice date", "Currency", "Total"])
        writer.writerow(["IT Supplies Direct", "ITS-3307", "2026-03-27", "EUR", "2.318,95"])


def make_expected(folder: Path) -> None:
    again = {name for name, _ in DUPLICATES}
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for name, vendor, _, _, currency, total in INVOICES:
        if name not in again:
            totals[f"{vendor}|{currency}"] += Decimal(total)
    expected = {
        "records": [
            dict(
                zip(
                    ("source", "vendor", "invoice_number", "date", "currency", "total"),
                    row,
                    strict=True,
                )
            )
            for row in INVOICES
        ],
        "totals": {key: str(value) for key, value in sorted(totals.items())},
        "duplicates": [list(pair) for pair in DUPLICATES],
    }
    text = json.dumps(expected, indent=1, ensure_ascii=False)
    (folder / "expected.json").write_text(text + "\n", encoding="utf-8")


def make_sales(folder: Path) -> None:
    chance = random.Random(20260401)
    prices = {"Desk lamp": 39, "Standing desk": 449, "Monitor arm": 89, "Office chair": 279}
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["month", "region", "product", "units", "revenue"])
    for month in range(1, 7):
        for region in ("North", "South", "West"):
            for product, price in prices.items():
                units = chance.randint(4, 30) + (12 if product == "Desk lamp" and month > 3 else 0)
                writer.writerow([f"2026-{month:02}", region, product, units, units * price])
    (folder / "sales-2026.csv").write_text(lines.getvalue(), encoding="utf-8")


def make(folder: Path) -> None:
    """Everything that is made by code; the meeting notes are written by hand."""
    for name in ("invoices", "sales"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    make_invoices(folder / "invoices")
    make_expected(folder)
    make_sales(folder / "sales")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if sys.argv[1:] else HERE)

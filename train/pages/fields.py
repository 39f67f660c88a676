"""Names of fields and values that fit them."""

from __future__ import annotations

from train.pages.page import Page
from train.text_sources import TextSource, is_heldout_word

FIELDS = {
    "person": "Name,Full name,Customer,Client,Contact,Technician,Driver,Patient,Owner,Sender,Recipient,Manager,Teacher,Guest,"
              "Employee,Applicant,Passenger,Buyer,Seller,Author,Inspector,Operator,Witness,Member,Attendee,Student,Agent,Tenant,Approved by,Signed by",
    "date": "Date,Due date,Birth date,Date of birth,Expires,Expiry date,Issued,Delivery date,Start date,End date,Valid until,"
            "Ship date,Order date,Check-in,Check-out,Service date,Received,Return date,Best before,Produced,Inspected,Next visit",
    "code": "Order no.,Invoice no.,Ticket,Serial no.,Serial number,Model,Part no.,Reference,Ref,Batch,Lot,Account,Case ID,Room,Seat,"
            "Gate,Flight,Policy no.,Badge,Asset ID,Order ID,Booking,Article,Customer no.,Plate,Locker,SKU,Tracking no.,Permit,Zone,Item no.",
    "number": "Quantity,Age,Pages,Floor,Copies,Units,Extension,Table,Points,Guests,Pieces,Level,Score,Year,Number,Count,Pin,Zip code",
    "phone": "Phone,Mobile,Fax,Tel,Telephone,Hotline,Phone no.",
    "email": "Email,E-mail,Mail",
    "amount": "Amount,Price,Deposit,Fee,Balance,Rent,Discount,Cost,Budget,Salary,Amount due,Net price",
    "time": "Time,Arrival,Departure,Start,End,Opens,Closes,Pickup time,Check-in time,Hour",
    "name": "City,Country,Company,Brand,Town,Street,Place,School,Hospital,Bank,Region,Venue,Host,Port,Origin,Destination,From,To",
    "word": "Department,Status,Color,Type,Category,Subject,Priority,Product,Material,Course,Reason,Service,Role,Language,Device,"
            "Position,Size,Shift,Team,Topic,Symptom,Method,Grade,Mode,Carrier,Section,Item,Unit,Fabric,Flavor",
    "measure": "Weight,Length,Voltage,Power,Pressure,Temperature,Speed,Volume,Height,Width,Load,Distance,Frequency,Current,Capacity,Humidity",
}
FIELD_KINDS = {name: kind for kind, names in FIELDS.items() for name in names.split(",")}
TITLES = ("Service Request,Order Form,Registration,Delivery Note,Work Order,Invoice,Application,Visitor Pass,Leave Request,Booking Form,"
          "Repair Ticket,Complaint Form,Change of Address,Purchase Order,Inspection Report,Membership,Claim Form,Job Sheet,Packing Slip,"
          "Expense Report,Loan Form,Survey,Patient Record,Time Sheet,Access Request,Return Form,Warranty Card,Test Report,Incident Report").split(",")


def make_value(source: TextSource, kind: str) -> str:
    rng = source.rng
    makers = {
        "person": source.person, "date": source.date, "time": source.time, "phone": source.phone, "email": source.email,
        "code": lambda: rng.choice((source.code(), source.code(), source.digits(3, 8))),
        "number": lambda: source.digits(1, 4).lstrip("0") or "7",
        "amount": lambda: source.amount(),
        "name": lambda: rng.choice((source.name(), source.name(), f"{source.name(7)} {source.name(7)}")),
        "word": lambda: source.cased(rng.choice((source.word(), source.word(), source.phrase(2, 7)))),
        "measure": source.measure,
    }
    return makers[kind]()


def make_field(source: TextSource) -> tuple[str, str]:
    """A field's name and a value for it."""
    rng = source.rng
    if rng.random() < 0.25:
        name = source.word(9) if rng.random() < 0.7 else source.phrase(2, 7)
        return name.capitalize(), make_value(source, rng.choice(list(FIELDS)))
    while True:
        name = rng.choice(list(FIELD_KINDS))
        if is_heldout_word(name) == source.heldout or rng.random() < 0.02:
            kind = FIELD_KINDS[name]
            return name, make_value(source, kind if rng.random() < 0.8 else rng.choice(list(FIELDS)))


def make_fields(page: Page, count: int) -> list[tuple[str, str]]:
    """Fields with distinct names and distinct values."""
    fields, names, values = [], set(), set()
    while len(fields) < count:
        name, value = make_field(page.source)
        if name.lower() in names or value.lower() in values:
            continue
        names.add(name.lower())
        values.add(value.lower())
        fields.append((name, value))
    return fields


def spoken(page: Page, name: str) -> str:
    """A field's name as a person would quote it."""
    name = name.rstrip(".:")
    return page.rng.choice((name, name.lower(), name.lower()))


def make_title(page: Page) -> str:
    rng, source = page.rng, page.source
    if rng.random() < 0.4:
        title = rng.choice(TITLES)
    else:
        title = rng.choice((f"{source.word(8)} {source.word(8)}", source.word(), f"{source.name(8)} {source.word(7)}")).title()
    return title.upper() if rng.random() < 0.3 else title


def ask_fields(page: Page, fields: list[tuple[str, str]]) -> None:
    for name, value in fields:
        page.ask("read_field", value, field=spoken(page, name))

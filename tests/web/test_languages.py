"""What a form answers in the reader's language, though the API answers in English."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import FilePayload, Locator, Page, Response, Route, expect

from socialfeed.problem_types import ADDRESS, PROBLEM_TYPES
from tests.socialfeed.test_client_problems import WITHOUT_A_TEXT
from tests.support.accounts import verify_address
from tests.support.client import PASSWORD, Person
from tests.support.images import jpeg_with_gps
from tests.web.browsing import Visitor
from tests.web.test_screens import violations
from tests.web.test_settings_screens import address_of, turn_factor_on

# Words of English sentences that no German one has.
ENGLISH = re.compile(r"\b(the|this|that|is|are|your|you|not|must|cannot|of|has|with)\b", re.I)
LOG_IN = "**/auth/login"
NUMBER = "83927461523"
TURNED = "Ada\u202e"
LONG_ADDRESS = f"a@{'.'.join(['b' * 60] * 5)}.de"


@dataclass
class German:
    """A page in German, and the answers by which the API has refused something."""

    page: Page
    refusals: list[Response] = field(default_factory=list)

    def opens(self, path: str) -> None:
        self.page.goto(path)

    def sends(self, values: Mapping[str, str], button: str) -> None:
        """Fill fields, by their labels, and send them."""
        for label, value in values.items():
            self.page.get_by_label(label, exact=True).fill(value)
        self.page.get_by_role("button", name=button, exact=True).last.click()

    def reads(self, words: str, place: Locator | None = None) -> None:
        """Wait for a message with these words; the page has no English sentence."""
        expect(place or self.page.get_by_role("alert")).to_contain_text(words)
        shown = self.page.locator("body").inner_text()
        assert not ENGLISH.search(shown), shown
        refused = [answer.json() for answer in self.refusals]
        assert refused
        for problem in refused:
            said = [problem["detail"], *(one["message"] for one in problem.get("errors", []))]
            assert not [text for text in said if text in shown], shown

    def note(self, answer: Response) -> None:
        # A stranger's page asks for tokens first: no form shows that there are none.
        is_shown = "/tokens/refresh" not in answer.url
        if is_shown and answer.headers.get("content-type") == "application/problem+json":
            self.refusals.append(answer)


@pytest.fixture
def german(visitor: Callable[..., Visitor]) -> Callable[..., German]:
    """A function that makes a page in German; takes the options of `visit`."""

    def make(**options: Person) -> German:
        page = visitor(language="de-AT", **options).page
        german = German(page)
        page.on("response", german.note)
        return german

    return make


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("Passwort", "kurz"), "Es hat mindestens 8 Zeichen."),
        (("Passwort", "password1"), "zu verbreitet"),
        (("Passwort", NUMBER), "nicht nur Ziffern"),
        (("Benutzername", "a b"), "Nimm Buchstaben von a bis z"),
        (("Benutzername", "admin"), "reserviert"),
        (("Benutzername", "a" * 31), "höchstens 30 Zeichen"),
        (("Benutzername", "{taken}"), "hat schon jemand"),
        (("E-Mail", "{taken}@example.org"), "Ein anderes Konto"),
        (("E-Mail", "a@b"), "keine E-Mail-Adresse"),
        (("E-Mail", LONG_ADDRESS), "höchstens 254 Zeichen"),
    ],
)
def test_a_sign_up(
    german: Callable[..., German],
    ada: Person,
    unique: Callable[[str], str],
    change: tuple[str, str],
    words: str,
) -> None:
    (label, value), name, stranger = change, unique("cora"), german()
    stranger.opens("/sign-up")
    values = {"E-Mail": f"{name}@example.org", "Benutzername": name, "Passwort": PASSWORD}
    stranger.sends(values | {label: value.format(taken=ada.username)}, "Registrieren")
    stranger.reads(words)
    # The field says it too.
    wrong = stranger.page.get_by_label(label)
    expect(wrong).to_have_accessible_description(re.compile(re.escape(words)))


def test_a_log_in(german: Callable[..., German], ada: Person) -> None:
    turn_factor_on(ada)
    stranger = german()
    stranger.opens("/log-in")
    for name in (ada.username, address_of(ada)):
        stranger.sends({"Benutzername oder E-Mail": name, "Passwort": "falsch"}, "Anmelden")
        stranger.reads("Der Name oder das Passwort ist falsch.")
    stranger.sends({"Passwort": PASSWORD}, "Anmelden")
    code = "Code der Authenticator-App oder ein Wiederherstellungscode"
    stranger.sends({code: "000"}, "Bestätigen")
    stranger.reads("Dieser Code gilt nicht")


def test_a_new_password(german: Callable[..., German], ada: Person) -> None:
    reader = german(person=ada)
    reader.opens("/settings/password")
    for present, wanted, words in (
        ("falsch", PASSWORD, "Das ist nicht dein Passwort."),
        (PASSWORD, "kurz", "mindestens 8 Zeichen"),
        (PASSWORD, ada.username, "zu ähnlich"),
    ):
        values = {"Bisheriges Passwort": present, "Neues Passwort": wanted}
        reader.sends(values, "Passwort ändern")
        reader.reads(words)


def test_another_address(
    german: Callable[..., German], ada: Person, unique: Callable[[str], str]
) -> None:
    reader = german(person=ada)
    reader.opens("/settings/email")
    for value, words in (
        ("a@b", "keine E-Mail-Adresse"),
        (address_of(ada), "hat diese Adresse schon"),
        (LONG_ADDRESS, "höchstens 254 Zeichen"),
    ):
        reader.sends({"Weitere Adresse": value}, "Hinzufügen")
        reader.reads(words)
    reader.sends({"Weitere Adresse": f"{unique('new')}@example.org"}, "Hinzufügen")
    reader.sends({"Passwort": "falsch"}, "Bestätigen")
    proof = reader.page.get_by_role("dialog").get_by_role("alert")
    reader.reads("Das ist nicht dein Passwort.", proof)


def test_a_second_factor(german: Callable[..., German], ada: Person) -> None:
    verify_address(ada.http, address_of(ada))
    reader = german(person=ada)
    reader.opens("/settings/second-factor")
    reader.sends({"Code, den die App zeigt": "000000"}, "Einschalten")
    reader.reads("Dieser Code gilt nicht")


def test_a_profile(german: Callable[..., German], ada: Person, bea: Person) -> None:
    reader = german(person=ada)
    reader.opens("/settings/profile")
    for label, value, words in (
        ("Benutzername", "a b", "Nimm Buchstaben von a bis z"),
        ("Benutzername", "admin", "reserviert"),
        ("Benutzername", bea.username, "hat schon jemand"),
        ("Name", TURNED, "Entferne das Zeichen"),
        ("Über dich", "\u2800", "etwas, das man sehen kann"),
    ):
        good = {"Benutzername": ada.username, "Name": "Ada", "Über dich": "Poet."}
        reader.sends(good | {label: value}, "Speichern")
        reader.reads(words)


def test_a_new_post(german: Callable[..., German], ada: Person) -> None:
    reader = german(person=ada)
    page = reader.page
    reader.opens("/new")
    good: FilePayload = {
        "name": "tide.jpg",
        "mimeType": "image/jpeg",
        "buffer": jpeg_with_gps(),
    }
    files = page.get_by_label("Bilder und Videos auswählen")
    files.set_input_files(good)
    expect(page.get_by_role("listitem").filter(has_text="1 von 1")).to_contain_text("Fertig")
    reader.sends({"Bildunterschrift": "a" * 2201}, "Teilen")
    reader.reads("höchstens 2.200 Zeichen", page.get_by_role("status").last)
    files.set_input_files(good | {"buffer": b"junk"})
    expect(page.get_by_role("alert")).to_contain_text("Diese Datei kann nicht gelesen werden.")
    expect(page.get_by_role("alert")).not_to_contain_text(ENGLISH)


def test_a_comment(german: Callable[..., German], ada: Person, bea: Person) -> None:
    ada.follow(bea)
    post = bea.post("Ebbe.", jpeg_with_gps())
    reader = german(person=ada)
    reader.opens(f"/p/{post['id']}")
    notices = reader.page.get_by_role("status").last
    reader.sends({"Kommentar schreiben": "a" * 2201}, "Senden")
    reader.reads("höchstens 2.200 Zeichen", notices)
    closed = bea.http.patch(f"/api/v1/posts/{post['id']}", json={"comments_closed": True})
    assert closed.status_code == 200
    reader.sends({"Kommentar schreiben": "Schön."}, "Senden")
    reader.reads("nimmt keine Kommentare mehr an", notices)


def test_the_end_of_an_account(german: Callable[..., German], ada: Person) -> None:
    turn_factor_on(ada)
    reader = german(person=ada)
    reader.opens("/settings/delete-account")
    button = "Mein Konto für immer löschen"
    reader.sends({"Passwort": "falsch"}, button)
    reader.reads("Das ist nicht dein Passwort.")
    reader.sends({"Passwort": PASSWORD}, button)
    code = "Code der Authenticator-App oder ein Wiederherstellungscode"
    reader.sends({code: "000"}, button)
    reader.reads("Dieser Code gilt nicht")


def answer(name: str, status: int) -> Callable[[Route], None]:
    """A function that answers a request with a problem of this type."""
    problem = {"type": ADDRESS + name, "title": "Bad", "status": status, "detail": "So it is."}
    content_type = "application/problem+json"

    def handle(route: Route) -> None:
        route.fulfill(status=status, content_type=content_type, body=json.dumps(problem))

    return handle


def test_each_type_of_problem(german: Callable[..., German]) -> None:
    """Those too that are hard to bring about."""
    stranger = german()
    stranger.opens("/log-in")
    message = stranger.page.get_by_role("alert")
    for name in PROBLEM_TYPES.keys() - WITHOUT_A_TEXT:
        stranger.page.route(LOG_IN, answer(name, PROBLEM_TYPES[name].status), times=1)
        with stranger.page.expect_response(LOG_IN):
            stranger.sends({"Benutzername oder E-Mail": "ada", "Passwort": "x"}, "Anmelden")
        expect(message).to_be_visible()
        expect(message).not_to_contain_text("So it is.")
        expect(message).not_to_contain_text(ENGLISH)


def test_what_has_no_text_is_told_in_the_words_of_the_api_from_left_to_right(
    german: Callable[..., German],
) -> None:
    stranger = german()
    page = stranger.page
    stranger.opens("/log-in")
    page.evaluate("document.documentElement.dir = 'rtl'")
    page.route(LOG_IN, answer("of-a-later-release", 409))
    stranger.sends({"Benutzername oder E-Mail": "ada", "Passwort": "x"}, "Anmelden")
    message = page.get_by_role("alert")
    expect(message).to_contain_text("So it is.")
    first, last = message.evaluate(
        """(element) => {
            const text = element.firstChild;
            const end = text.data.indexOf(".");
            return [end - 8, end].map((at) => {
                const range = document.createRange();
                range.setStart(text, at);
                range.setEnd(text, at + 1);
                return range.getBoundingClientRect().x;
            });
        }"""
    )
    assert first < last
    assert violations(page) == []

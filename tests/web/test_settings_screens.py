"""The settings in a browser: picture, password, addresses, second factor, the end of an account."""

import io
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from tests.support.accounts import AUTH, NEW_PASSWORD, totp_code, verify_address
from tests.support.client import PASSWORD, Person, wait_until
from tests.support.images import encoded
from tests.support.staff import PERIOD
from tests.web.browsing import Visitor, log_in
from tests.web.test_screens import check

HOME = "Your home is still empty"
RED, BLUE = (200, 40, 40), (40, 60, 200)


def address_of(person: Person) -> str:
    return f"{person.username}@example.org"


def fresh_code(secret: str) -> str:
    """The code that an authenticator app shows now, which lives for ten seconds at least."""
    wait_until(lambda: time.time() % PERIOD < PERIOD - 10, PERIOD)
    return totp_code(secret)


def turn_factor_on(person: Person) -> str:
    """Give a person a second factor, over HTTP; returns its secret."""
    verify_address(person.http, address_of(person))
    secret: str = person.http.get(f"{AUTH}/account/authenticators/totp").json()["meta"]["secret"]
    for path, body in (
        ("auth/reauthenticate", {"password": PASSWORD}),
        ("account/authenticators/totp", {"code": fresh_code(secret)}),
    ):
        answer = person.http.post(f"{AUTH}/{path}", json=body)
        assert answer.status_code == 200, answer.text
    return secret


def proof(page: Page) -> Locator:
    """The dialog that asks who it is."""
    return page.get_by_role("dialog", name="Is it you?")


def prove(page: Page, label: str, value: str) -> None:
    proof(page).get_by_label(label).fill(value)
    proof(page).get_by_role("button", name="Confirm").click()


def prove_by_password(page: Page) -> None:
    prove(page, "Password", PASSWORD)
    expect(proof(page)).to_have_count(0)


def shown_picture(page: Page) -> tuple[str, tuple[int, ...]]:
    """The address of the reader's picture, and its colour."""
    address = page.get_by_role("main").locator("img").get_attribute("src")
    assert address
    pixels = Image.open(io.BytesIO(httpx.get(address).content)).convert("RGB").resize((1, 1))
    return address, tuple(pixels.tobytes())


def is_like(colour: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(one - two) < 20 for one, two in zip(colour, other, strict=True))


def test_a_picture_is_cropped_stored_shown_and_removed(
    visitor: Callable[..., Visitor], ada: Person, tmp_path: Path
) -> None:
    image = Image.new("RGB", (800, 400), RED)
    image.paste(BLUE, (400, 0, 800, 400))
    file = tmp_path / "halves.jpg"
    file.write_bytes(encoded(image))
    reader = visitor(person=ada)
    page = reader.page
    part = page.get_by_role("application", name="Part of the picture")
    reader.opens("/settings/picture", "Profile picture")

    # Dragged to the right, so its left half is to be seen.
    page.get_by_label("Choose a picture").set_input_files(file)
    box = part.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + box["width"] * 0.7, y, steps=5)
    page.mouse.up()
    check(page, "settings-picture-crop")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved")).to_be_visible()
    address, colour = shown_picture(page)
    assert is_like(colour, RED), colour

    # Zoomed and moved by the keyboard.
    page.get_by_label("Choose a picture").set_input_files(file)
    part.focus()
    part.press("+")
    assert float(page.get_by_label("Zoom").input_value()) > 1
    for _ in range(20):
        part.press("ArrowLeft")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("main").locator("img")).not_to_have_attribute("src", address)
    address, colour = shown_picture(page)
    assert is_like(colour, BLUE), colour
    reader.opens(f"/u/{ada.username}", ada.username)
    expect(page.locator(f"img[src='{address}']")).to_be_visible()

    reader.opens("/settings/picture", "Profile picture")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("main").locator("img")).to_have_count(0)


def test_a_file_that_is_no_picture_is_told(
    visitor: Callable[..., Visitor], ada: Person, tmp_path: Path
) -> None:
    file = tmp_path / "notes.jpg"
    file.write_bytes(b"Low tide.")
    reader = visitor(person=ada)
    reader.opens("/settings/picture", "Profile picture")
    reader.page.get_by_label("Choose a picture").set_input_files(file)
    expect(reader.page.get_by_text("cannot read notes.jpg")).to_be_visible()


def test_a_password_is_changed_and_this_session_goes_on(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    reader, stranger = visitor(person=ada), visitor()
    page = reader.page
    reader.opens("/settings/password", "Password")
    present = page.get_by_label("Present password")
    for password in ("wrong", PASSWORD):
        present.fill(password)
        page.get_by_label("New password").fill(NEW_PASSWORD)
        page.get_by_role("button", name="Change password").click()
        if password == "wrong":
            expect(present).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("Your password is changed.")).to_be_visible()
    # With the new token, and after a reload with the new cookie.
    page.get_by_role("link", name="Home").click()
    expect(page.get_by_role("heading", name=HOME)).to_be_visible()
    reader.opens("/", HOME)

    stranger.opens("/log-in", "Log in")
    log_in(stranger.page, ada.username, PASSWORD)
    expect(stranger.page.get_by_role("alert")).to_contain_text("not correct")
    log_in(stranger.page, ada.username, NEW_PASSWORD)
    expect(stranger.page.get_by_role("heading", name=HOME)).to_be_visible()


def test_an_address_is_added_made_the_main_one_and_the_old_one_removed(
    visitor: Callable[..., Visitor], ada: Person, unique: Callable[[str], str]
) -> None:
    reader, new = visitor(person=ada), f"{unique('new')}@example.org"
    page = reader.page
    page.on("dialog", lambda dialog: dialog.accept())
    reader.opens("/settings/email", "E-mail")
    page.get_by_label("Another address").fill(new)
    page.get_by_role("button", name="Add", exact=True).click()
    prove(page, "Password", "wrong")
    expect(proof(page).get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    check(page, "settings-proof")
    prove_by_password(page)
    added = page.get_by_role("listitem").filter(has_text=new)
    expect(added).to_contain_text("not verified yet")

    verify_address(ada.http, new)
    reader.opens("/settings/email", "E-mail")
    added.get_by_role("button", name="Make it the main one").click()
    expect(added).to_contain_text("main address")
    old = page.get_by_role("listitem").filter(has_text=address_of(ada))
    old.get_by_role("button", name="Remove").click()
    expect(old).to_have_count(0)
    assert [one["email"] for one in ada.http.get(f"{AUTH}/account/email").json()["data"]] == [new]


def test_who_gives_no_proof_changes_nothing_and_an_expired_token_is_refreshed_before(
    visitor: Callable[..., Visitor], ada: Person, unique: Callable[[str], str]
) -> None:
    reader = visitor(person=ada)
    page = reader.page
    tokens: list[str] = []

    def refuse_first(route: Route) -> None:
        if route.request.method != "POST":
            return route.continue_()
        tokens.append(route.request.headers["authorization"])
        if len(tokens) > 1:
            return route.continue_()
        return route.fulfill(status=401, content_type="application/problem+json", body="{}")

    page.route(f"**{AUTH}/account/email", refuse_first)
    reader.opens("/settings/email", "E-mail")
    page.get_by_label("Another address").fill(f"{unique('new')}@example.org")
    page.get_by_role("button", name="Add", exact=True).click()
    proof(page).get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("nothing was done")
    expect(page.get_by_role("listitem").filter(has_text="@example.org")).to_have_count(1)
    assert len(tokens) == 2
    assert tokens[0] != tokens[1]

    # What was asked for is done after the proof.
    page.get_by_role("button", name="Add", exact=True).click()
    prove_by_password(page)
    expect(page.get_by_role("listitem").filter(has_text="@example.org")).to_have_count(2)
    assert tokens[1:] == [tokens[1]] * 3


def test_a_second_factor_is_turned_on_used_and_turned_off(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    reader = visitor(person=ada)
    page = reader.page
    page.on("dialog", lambda dialog: dialog.accept())
    reader.opens("/settings/second-factor", "Second factor")
    expect(page.get_by_role("heading", name="First verify")).to_be_visible()
    verify_address(ada.http, address_of(ada))
    reader.opens("/settings/second-factor", "Scan this with an authenticator app")
    secret = page.locator("code").inner_text().replace(" ", "")
    page.get_by_label("Code that the app shows").fill(fresh_code(secret))
    page.get_by_role("button", name="Turn on").click()
    prove_by_password(page)

    # The recovery codes are shown once.
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    check(page, "settings-recovery-codes")
    codes = page.locator("code").all_inner_texts()
    assert len(set(codes)) == 10
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert Path(download.value.path()).read_text().split() == codes
    page.get_by_role("button", name="I have kept them").click()
    expect(page.get_by_text("10 recovery codes left.")).to_be_visible()

    reader.opens("/settings", "Settings")
    page.get_by_role("button", name="Log out", exact=True).click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(page, ada.username)
    page.get_by_label("Code of your authenticator app").fill(fresh_code(secret))
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name=HOME)).to_be_visible()

    # A recovery code proves it too, and is used up.
    reader.opens("/settings/second-factor", "Second factor")
    page.get_by_role("button", name="Make new recovery codes").click()
    proof(page).get_by_role("button", name="Use a code instead").click()
    prove(page, "Code of your authenticator app", codes[0])
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    assert not set(codes) & set(page.locator("code").all_inner_texts())
    page.get_by_role("button", name="I have kept them").click()
    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_role("heading", name="Scan this with an authenticator app")).to_be_visible()


def test_an_account_is_deleted_and_every_tab_is_logged_out(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    reader = visitor(person=ada)
    page = reader.page
    reader.opens("/settings/delete-account", "Delete account")
    other = reader.new_tab()
    other.opens("/", HOME)
    password = page.get_by_label("Password")
    password.fill("wrong")
    page.get_by_role("button", name="Delete my account for good").click()
    expect(password).to_have_attribute("aria-invalid", "true")
    password.fill(PASSWORD)
    page.get_by_role("button", name="Delete my account for good").click()
    for tab in (page, other.page):
        expect(tab.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(page, ada.username)
    expect(page.get_by_role("alert")).to_be_visible()
    assert ada.http.get("/api/v1/users/me").status_code == 401


def test_the_end_of_an_account_with_a_second_factor_takes_a_code(
    visitor: Callable[..., Visitor], ada: Person
) -> None:
    secret = turn_factor_on(ada)
    reader = visitor(person=ada)
    page = reader.page
    reader.opens("/settings/delete-account", "Delete account")
    page.get_by_label("Password").fill(PASSWORD)
    code = page.get_by_label("Code of your authenticator app")
    expect(code).to_have_count(0)
    page.get_by_role("button", name="Delete my account for good").click()
    code.fill(fresh_code(secret))
    page.get_by_role("button", name="Delete my account for good").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()

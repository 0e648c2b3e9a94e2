import type { Messages } from "./en";
import { counted } from "./numbers";

const loggedOut = "Du bist nicht mehr angemeldet. Melde dich neu an.";
const notAllowed = "Das darfst du nicht.";
const notYourPassword = "Das ist nicht dein Passwort.";
const tooManyRequests = "Zu viele Anfragen. Versuche es später noch einmal.";
const unavailable = "Der Server kann das gerade nicht. Versuche es später noch einmal.";
const usernameTaken = "Diesen Benutzernamen hat schon jemand. Wähle einen anderen.";
const emailTaken = "Ein anderes Konto hat diese Adresse.";
const wrongCode = "Dieser Code gilt nicht oder nicht mehr. Nimm einen neuen.";
const wrongNameOrPassword = "Der Name oder das Passwort ist falsch.";
const unreadable = "Diese Datei kann nicht gelesen werden. Wähle ein anderes Bild oder Video.";
const unusableCharacter = "Entferne das Zeichen, das man nicht sieht oder das den Text umdreht.";
const tooLarge = "Diese Datei ist zu groß. Verkleinere das Bild oder kürze das Video.";

export const problems: Messages["problems"] = {
  required: "Fülle das aus.",
  blank: "Schreibe etwas, das man sehen kann.",
  max_length: (n) => `Schreibe höchstens ${counted(n, "Zeichen", "Zeichen")}.`,
  several_lines: "Schreibe das in eine Zeile.",
  control_character: unusableCharacter,
  null_characters_not_allowed: unusableCharacter,
  surrogate_characters_not_allowed: unusableCharacter,
  encoding: "Dieser Text ist beschädigt. Schreibe ihn neu.",

  block_limit: "Du blockierst schon sehr viele Konten. Beende zuerst einige Blockaden.",
  mute_limit: "Du hast schon sehr viele Konten stummgeschaltet. Beende das zuerst bei einigen.",
  list_limit: "Auf dieser Liste sind schon sehr viele Konten. Entferne zuerst einige.",

  "username.invalid":
    "Nimm Buchstaben von a bis z, Ziffern, Punkte und Unterstriche, und am Anfang keinen Punkt.",
  "username.conflict": usernameTaken,
  username_taken: usernameTaken,
  reserved: "Dieser Benutzername ist reserviert. Wähle einen anderen.",
  too_many_renames:
    "Du hast deinen Benutzernamen zu oft geändert. Nimm einen früheren zurück oder warte einige Tage.",
  "email.invalid": "Das ist keine E-Mail-Adresse.",
  "email.conflict": emailTaken,
  email_taken: emailTaken,
  duplicate_email: "Dein Konto hat diese Adresse schon.",
  max_email_addresses: (n) => `Ein Konto hat höchstens ${counted(n, "Adresse", "Adressen")}.`,
  cannot_remove_primary_email: "Deine Hauptadresse kann nicht entfernt werden.",
  unverified_primary_email: "Bestätige diese Adresse zuerst.",
  unknown_email: "Dein Konto hat diese Adresse nicht mehr.",
  password_too_short: (n) =>
    `Dieses Passwort ist zu kurz. Es hat mindestens ${counted(n, "Zeichen", "Zeichen")}.`,
  password_too_common: "Dieses Passwort ist zu verbreitet. Wähle ein anderes.",
  password_entirely_numeric: "Ein Passwort hat nicht nur Ziffern.",
  password_too_similar: "Dieses Passwort ist deinem Namen oder deiner Adresse zu ähnlich.",
  username_password_mismatch: wrongNameOrPassword,
  email_password_mismatch: wrongNameOrPassword,
  enter_current_password: notYourPassword,
  incorrect_password: notYourPassword,
  wrong_password: notYourPassword,
  incorrect_code: wrongCode,
  wrong_code: wrongCode,
  unverified_email:
    "Bestätige zuerst deine E-Mail-Adressen, oder entferne die, die nicht bestätigt sind.",
  add_email_blocked: "Solange der zweite Faktor eingeschaltet ist, kann keine Adresse dazukommen.",
  log_in_again: "Das Passwort wurde seit dem Beginn dieser Anmeldung geändert. Melde dich neu an.",
  account_deleted: "Dieses Konto wird gerade gelöscht.",
  account_suspended:
    "Dieses Konto ist gesperrt. Schreibe den Betreibern dieser Seite, wenn du das für einen Fehler hältst.",
  staff_account: "Das Konto von jemandem, der diese Seite betreibt, kann nicht gelöscht werden.",

  oneself: "Niemand folgt sich selbst.",
  following_limit: "Du folgst so vielen Menschen, wie man darf. Folge zuerst einigen nicht mehr.",
  comments_closed: "Der Beitrag nimmt keine Kommentare mehr an.",
  comments_limited: "Diesen Beitrag dürfen nicht alle kommentieren.",
  changed_comment: "Der Text wurde geändert. Lies ihn noch einmal, bevor du ihn zeigst.",
  held_comment:
    "Der Kommentar, dem diese Antwort gilt, wartet auf deine Freigabe. Gib ihn zuerst frei.",
  unknown_comment: "Den Kommentar, auf den du antwortest, gibt es nicht mehr.",
  reply_to_a_reply: "Auf eine Antwort kann niemand antworten.",
  too_many_waiting_posts:
    "Zu viele deiner Beiträge warten auf ihre Dateien. Warte, bis einer veröffentlicht ist, oder lösche einen.",
  published: "Dieser Beitrag ist schon veröffentlicht.",

  too_large: tooLarge,
  too_expensive: tooLarge,
  unsupported_media_type: unreadable,
  not_processed: unreadable,
  other_content: unreadable,
  empty: "Diese Datei ist leer.",
  upload_incomplete: "Die Datei ist nicht angekommen. Versuche es noch einmal.",
  media_not_ready: "Eine Datei konnte nicht verarbeitet werden. Entferne sie.",
  unknown_media: "Eine Datei ist nicht mehr da. Entferne sie und füge sie neu hinzu.",
  used_media: "Eine Datei ist schon in einem anderen Beitrag. Entferne sie und füge sie neu hinzu.",
  media_in_use: "Diese Datei wird gebraucht.",

  unauthorized: loggedOut,
  not_authenticated: loggedOut,
  authentication_failed: loggedOut,
  gone: loggedOut,
  forbidden: notAllowed,
  permission_denied: notAllowed,
  not_found: "Das gibt es nicht oder nicht mehr.",
  private_account: "Dieses Konto ist privat.",
  conflict: "Inzwischen hat sich etwas geändert. Lade die Seite neu.",
  too_many_requests: tooManyRequests,
  throttled: tooManyRequests,
  overloaded: unavailable,
  unavailable,
  service_unavailable: unavailable,
  internal_server_error: "Auf dem Server ist etwas kaputtgegangen. Versuche es später noch einmal.",
};

"""Which passwords people may choose. Pure."""

from __future__ import annotations

import re

from centralita.core.errors import InvalidInput
from centralita.core.refusals import Refusal

SHORTEST = 12
"""NIST SP 800-63B and OWASP ASVS ask for length, and for nothing of digits and signs."""

# What lists of stolen passwords begin with, and what our own users would think of first. Compared
# without digits and signs, so that each stands for a family: password123!, Contraseña2026.
_FAMILIES = """
password passwort passwd passphrase secret secreto contraseña contrasena clave miclave
    claveclave letmein letmeinplease openthedoor opensesame abretesesamo qwerty qwertyuiop
    qwertyuiopasdfghjkl qwertyuiopasdfghjklzxcvbnm qwertyqwerty asdfghjkl asdfghjklñ zxcvbnm qazwsx
    qazwsxedc qazwsxedcrfv qweasdzxc qqwweerrttyy abc abcd abcdef abcdefgh abcdefghijkl
    abcdefghijklm abcdefghijklmnop iloveyou iloveyouforever teamo teamomucho tequiero tequieromucho
    sunshine princess princesa dragon monkey football baseball superman batman trustnoone
    trustno starwars whatever welcome welcomehome bienvenido bienvenida bienvenidos changeme
    changemenow changeit cambiame cambiar cambiala default temporal temporary provisional admin
    administrator administrador adminadmin root toor supervisor agente agent usuario user username
    test testing testtest prueba pruebas demo guest invitado hello helloworld holamundo hola
    holahola realmadrid barcelona fcbarcelona atleticomadrid españa espana madrid sevilla valencia
    correcthorsebatterystaple company empresa callcenter contactcenter centralita centralitas
    telefono teléfono extension phone voicemail
"""
_KNOWN = frozenset(_FAMILIES.split())
_SEQUENCES = ("01234567890123456789", "98765432109876543210", "abcdefghijklmnopqrstuvwxyz")


def check_new_password(password: str, username: str, name: str, place: str = "$.new") -> None:
    """Raises InvalidInput for one that is short, well known, or made of the user's own name."""
    if len(password) < SHORTEST:
        raise InvalidInput(
            f"is shorter than {SHORTEST} characters",
            place=place,
            code=Refusal.PASSWORD_SHORT,
            values={"shortest": SHORTEST},
        )
    if _is_known(password) or _is_own_name(password, username, name):
        raise InvalidInput(
            "is among the first that anybody would try; take several words that do not belong "
            "together",
            place=place,
            code=Refusal.PASSWORD_WEAK,
        )


def _is_known(password: str) -> bool:
    plain = password.casefold()
    letters = _letters(plain)
    if letters in _KNOWN or _unit(letters) in _KNOWN:
        return True
    # 123412341234, aaaaaaaaaaaa; and with few letters besides: 1234567890ab
    return len(_unit(plain)) <= 4 or any(plain[:8] in sequence for sequence in _SEQUENCES)


def _is_own_name(password: str, username: str, name: str) -> bool:
    rest = password.casefold()
    own = [part for part in re.split(r"\W+", f"{username} {name}".casefold()) if len(part) > 2]
    for part in sorted(own, key=len, reverse=True):
        rest = rest.replace(part, "")
    return rest != password.casefold() and len(_letters(rest)) < 6


def _letters(text: str) -> str:
    return "".join(sign for sign in text if sign.isalpha())


def _unit(text: str) -> str:
    """The shortest text of which this one is a repetition."""
    for length in range(1, len(text) // 2 + 1):
        if len(text) % length == 0 and text[:length] * (len(text) // length) == text:
            return text[:length]
    return text

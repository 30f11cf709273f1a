"""The words that the small model knows."""

from __future__ import annotations

from typing import Final

_SPANISH: Final = """
cero uno una dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince
veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa cien ciento mil
sí no vale claro correcto incorrecto exacto bien mal nada ninguno otra otro más menos
ventas soporte técnico buzón voz mensaje inglés español operador operadora agente asesor persona
ayuda repetir repita cancelar confirmar aceptar continuar salir terminar parar esperar empezar
facturación factura pago pagar cuenta saldo pedido envío entrega devolución reclamación averías
avería cita reserva contrato tarjeta número teléfono móvil correo cliente clientes código nombre
menú principal volver atrás inicio opción opciones información horario horarios dirección tienda
llamar llamada hablar dejar quiero necesito tengo gracias adiós hola buenos buenas días favor
lunes martes miércoles jueves viernes sábado domingo hoy ayer mañana tarde tardes noche noches
hora semana mes por para con el la los un de a en mi asterisco almohadilla
"""

_ENGLISH: Final = """
zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
twenty thirty forty fifty sixty seventy eighty ninety hundred thousand
yes yeah no okay sure right correct wrong exactly nothing none other another more less
sales support technical voicemail voice message english spanish operator agent person somebody
representative help repeat cancel confirm accept continue exit finish stop wait start
billing bill invoice payment pay account balance order delivery shipping return returns complaint
appointment booking reservation contract card number phone mobile mail email customer code name
service services
menu main back beginning option options information hours address opening store shop
call speak talk leave want need have thanks thank you goodbye bye hello please
monday tuesday wednesday thursday friday saturday sunday today yesterday tomorrow
morning afternoon evening night
hour week month for to with the a an my of in i star pound hash key
"""

WORDS: Final[dict[str, tuple[str, ...]]] = {
    "es": tuple(dict.fromkeys(_SPANISH.split())),
    "en": tuple(dict.fromkeys(_ENGLISH.split())),
}
"""By language (ISO 639-1), without repetitions."""

DIGITS: Final[dict[str, tuple[str, ...]]] = {
    "es": ("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"),
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
}
"""By language, the word of each digit at its index."""

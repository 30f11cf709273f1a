"""One module per kind of node. A new kind is a class here that implements `flow.Node`."""

from centralita.ivr.flow import Node
from centralita.ivr.nodes.branch import Branch, Set
from centralita.ivr.nodes.confirm import Confirm
from centralita.ivr.nodes.enqueue import Enqueue
from centralita.ivr.nodes.gather import Gather
from centralita.ivr.nodes.hours import Hours
from centralita.ivr.nodes.leave import HangUp, Return, Subflow, Transfer
from centralita.ivr.nodes.listen import Listen
from centralita.ivr.nodes.menu import Menu
from centralita.ivr.nodes.play import Play
from centralita.ivr.nodes.voicemail import Voicemail

NODE_TYPES: dict[str, type[Node]] = {
    "play": Play,
    "menu": Menu,
    "gather": Gather,
    "listen": Listen,
    "confirm": Confirm,
    "hours": Hours,
    "branch": Branch,
    "set": Set,
    "enqueue": Enqueue,
    "voicemail": Voicemail,
    "transfer": Transfer,
    "subflow": Subflow,
    "return": Return,
    "hangup": HangUp,
}

__all__ = [
    "NODE_TYPES",
    "Branch",
    "Confirm",
    "Enqueue",
    "Gather",
    "HangUp",
    "Hours",
    "Listen",
    "Menu",
    "Play",
    "Return",
    "Set",
    "Subflow",
    "Transfer",
    "Voicemail",
]

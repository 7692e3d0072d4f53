"""Everything the work needs from the world: narrow Protocols in domain words, their promises in the docstrings.

Files travel as paths, never as bytes. Every method raises Faults only; adapters translate foreign errors at the border.
"""

from pipeline.ports.clock import Clock, Pace
from pipeline.ports.engine import Engine
from pipeline.ports.hosts import Answer, Host, Hosts
from pipeline.ports.house import House
from pipeline.ports.hub import Hub, RemoteFile
from pipeline.ports.market import Provider, RentOrder, Sight, Status
from pipeline.ports.publisher import Publisher, Receipt, Release, Scribe
from pipeline.ports.store import Doc, Store
from pipeline.ports.workshop import Demand, Fetcher, Proof, Workshop

__all__ = [
    "Answer",
    "Clock",
    "Demand",
    "Doc",
    "Engine",
    "Fetcher",
    "Host",
    "Hosts",
    "House",
    "Hub",
    "Pace",
    "Proof",
    "Provider",
    "Publisher",
    "Receipt",
    "Release",
    "RemoteFile",
    "RentOrder",
    "Scribe",
    "Sight",
    "Status",
    "Store",
    "Workshop",
]

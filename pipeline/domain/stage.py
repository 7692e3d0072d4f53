"""The words a job's life is told in: stages, wishes, ends."""

from enum import StrEnum


class Stage(StrEnum):
    """The chapters of every story. A job stands before the one it names."""

    PREPARE = "prepare"
    RENT = "rent"
    WAIT = "wait"
    UPLOAD = "upload"
    FETCH = "fetch"
    TRAIN = "train"
    COLLECT = "collect"
    TERMINATE = "terminate"
    BILL = "bill"
    PUBLISH = "publish"
    REGISTER = "register"
    DONE = "done"

    @property
    def closing(self) -> bool:
        """Closing stages are never abandoned and are deaf to wishes: a meter runs or a debt is open."""
        return self in {Stage.TERMINATE, Stage.BILL, Stage.PUBLISH, Stage.REGISTER}

    @property
    def metered(self) -> bool:
        """While a job stands here, a rented machine costs money."""
        return self in {
            Stage.RENT, Stage.WAIT, Stage.UPLOAD, Stage.FETCH, Stage.TRAIN, Stage.COLLECT, Stage.TERMINATE,
        }  # fmt: skip


class Wish(StrEnum):
    """What a person wants of a running job."""

    STOP = "stop"  # save a checkpoint, publish it marked incomplete, pay for what ran
    CANCEL = "cancel"  # destroy, pay the measured cost only
    KEEP = "keep"  # keep going, though its time is up; never written into a job: it is granted or refused at once


class End(StrEnum):
    """What became of a job."""

    DONE = "done"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    FAILED = "failed"

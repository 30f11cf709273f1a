"""Pieces of audio plumbing: the tap of a caller who is listened to, playbacks, recorders.

pjsua2 objects that own a conference port are destroyed here and nowhere else, always from the
worker's own thread: dropping the last Python reference instead frees them under the media clock.
"""

from __future__ import annotations

import os
import socket
import struct
import time
import wave
from collections.abc import Callable, Sequence
from datetime import timedelta

import pjsua2 as pj

from centralita.core.ids import PlaybackId
from centralita.telephony.call import AudioSink, PlaybackEnd

LISTEN_RATE = 8000
FRAME_MS = 20
_STREAM = struct.Struct(">I")


class Tap(pj.AudioMediaPort):
    """Sends the audio it is connected to as datagrams to a sink."""

    def __init__(self, outlet: socket.socket) -> None:
        super().__init__()
        self._outlet = outlet
        self._sink: AudioSink | None = None
        self._datagram = bytearray(_STREAM.size + LISTEN_RATE * 2 * FRAME_MS // 1000)
        self._samples = memoryview(self._datagram)[_STREAM.size :]
        layout = pj.MediaFormatAudio()
        layout.init(pj.PJMEDIA_FORMAT_PCM, LISTEN_RATE, 1, FRAME_MS * 1000, 16)
        self.createPort("tap", layout)

    def point_at(self, sink: AudioSink | None) -> None:
        """Where the next frames go; None drops them."""
        if sink is not None:
            _STREAM.pack_into(self._datagram, 0, sink.stream)
        self._sink = sink

    def onFrameReceived(self, frame: pj.MediaFrame) -> None:  # noqa: N802  pjsua2's name
        """Called by the media clock thread, 50 times a second: copy, send, return."""
        sink = self._sink
        if sink is None or frame.type != pj.PJMEDIA_FRAME_TYPE_AUDIO:
            return
        if frame.size != len(self._samples):
            return
        try:
            frame.buf.copy_to_bytearray(self._samples)
            self._outlet.sendto(self._datagram, sink.path)
        except OSError:
            # The recogniser is full, restarting or gone. Its owner hears of that from the
            # recogniser itself; the media clock must not wait.
            pass


class TapPool:
    """Taps are lent and taken back, never destroyed: destroying one at run time can crash."""

    def __init__(self) -> None:
        self._outlet = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._outlet.setblocking(False)
        self._free: list[Tap] = []
        self._all: list[Tap] = []

    def take(self, sink: AudioSink) -> Tap:
        """A tap that sends to `sink` once audio is connected to it."""
        if self._free:
            tap = self._free.pop()
        else:
            tap = Tap(self._outlet)
            self._all.append(tap)
        tap.point_at(sink)
        return tap

    def give_back(self, tap: Tap) -> None:
        """The caller has disconnected the tap and needs it no more."""
        tap.point_at(None)
        self._free.append(tap)


class _FilePlayer(pj.AudioMediaPlayer):
    """A player that tells when its last file has been read, unless it begins again."""

    def __init__(self, at_end: Callable[[], None] | None) -> None:
        super().__init__()
        self._at_end = at_end

    def onEof2(self) -> None:  # noqa: N802  pjsua2's name
        """Called by the media clock thread, at the end of each round of a loop, too."""
        if self._at_end is not None:
            self._at_end()


class Playback:
    """One run of prompts to one leg."""

    def __init__(
        self,
        playback_id: PlaybackId,
        files: Sequence[str],
        *,
        loop: bool,
        at_end: Callable[[PlaybackId], None],
    ) -> None:
        self.id = playback_id
        self.how = PlaybackEnd.STOPPED
        self._player = _FilePlayer(None if loop else lambda: at_end(playback_id))
        option = 0 if loop else pj.PJMEDIA_FILE_NO_LOOP
        if len(files) == 1:
            self._player.createPlayer(files[0], option)
        else:
            names = pj.StringVector()
            for name in files:
                names.append(name)
            self._player.createPlaylist(names, "prompts", option)

    def start(self, audio: pj.AudioMedia) -> None:
        """Let `audio` hear it (again, after the leg's media was set up anew)."""
        self._player.startTransmit(audio)

    def stop(self, audio: pj.AudioMedia) -> None:
        """Let `audio` hear it no more."""
        self._player.stopTransmit(audio)

    def destroy(self) -> None:
        """Free the player, which nobody hears any more.

        Not within a tick of its creation: a port that the conference has not yet taken in is
        removed at once, in our thread, while the clock thread works on the same lists.
        """
        self._player.thisown = False
        pj.AudioMediaPlayer.__swig_destroy__(self._player)


class Silence:
    """A looping silent file: a source that keeps recorders writing while nobody sends audio."""

    def __init__(self, clock_rate: int) -> None:
        self._player = pj.AudioMediaPlayer()
        # A file in memory: pjsua2 plays files only, and this process can read none that it writes.
        with os.fdopen(os.memfd_create("silence"), "w+b") as memory:
            with wave.open(memory, "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(clock_rate)
                file.writeframes(bytes(2 * clock_rate))
            memory.flush()
            self._player.createPlayer(f"/proc/self/fd/{memory.fileno()}", 0)

    def start(self, audio: pj.AudioMedia) -> None:
        """Feed `audio` with silence."""
        self._player.startTransmit(audio)

    def destroy(self) -> None:
        """Free the player at the end of the process."""
        self._player.thisown = False
        pj.AudioMediaPlayer.__swig_destroy__(self._player)


class LegRecorder:
    """Writes what one leg says to a WAV file."""

    def __init__(self, path: str, silence: Silence) -> None:
        self.path = path
        self._paused = False
        self._started = time.monotonic()
        self._recorder = pj.AudioMediaRecorder()
        self._recorder.createRecorder(path)
        silence.start(self._recorder)

    def attach(self, audio: pj.AudioMedia) -> None:
        """Record `audio` (again, after the leg's media was set up anew), unless paused."""
        if not self._paused:
            audio.startTransmit(self._recorder)

    def detach(self, audio: pj.AudioMedia) -> None:
        """Record silence from now on."""
        audio.stopTransmit(self._recorder)

    def pause(self, paused: bool) -> bool:
        """Write only silence from now on, or sound again; tells whether that is a change.

        Whoever calls this attaches or detaches the leg's audio.
        """
        changed = self._paused is not paused
        self._paused = paused
        return changed

    def finish(self) -> timedelta:
        """Close the file and tell how long it was written to. The file is final ~20 ms later."""
        self._recorder.thisown = False
        pj.AudioMediaRecorder.__swig_destroy__(self._recorder)
        return timedelta(seconds=time.monotonic() - self._started)

"""The built web: files as they are, and the page itself for every other path."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

NOT_BUILT = """<!doctype html><title>Centralita</title>
<p>The server runs, but its pages have not been built. Run <code>./dev serve</code>,
or <code>npm run build</code> in <code>web/</code>.</p>
"""


class Pages:
    """Serves a folder; unknown paths without a suffix are the page's own routes."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder.resolve() if folder is not None else None

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """A file of the folder, or the page."""
        wanted = request.match_info["path"]
        if wanted == "api" or wanted.startswith("api/"):
            raise web.HTTPNotFound
        file = await asyncio.to_thread(self._find, wanted)
        if file is None:
            if self._folder is not None:
                raise web.HTTPNotFound
            return web.Response(text=NOT_BUILT, content_type="text/html")
        # The build puts a hash of the content into the names under assets/.
        kept = "assets" in file.parts and file.suffix != ".html"
        caching = "public, max-age=31536000, immutable" if kept else "no-cache"
        return web.FileResponse(file, headers={"Cache-Control": caching})

    def _find(self, wanted: str) -> Path | None:
        if self._folder is None or "\x00" in wanted:
            return None
        try:
            file = (self._folder / wanted).resolve()
            if file.is_relative_to(self._folder) and file.is_file():
                return file
        except OSError:
            return None  # no file can have such a name
        index = self._folder / "index.html"
        if "." in wanted.rsplit("/", 1)[-1] or not index.is_file():
            return None
        return index

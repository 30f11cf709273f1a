#!/bin/sh
# Builds a pjsua2 wheel for service. Usage: build.sh PJPROJECT-DIR PYTHON OUTPUT-DIR
# PJPROJECT-DIR is an unpacked source tree, and is changed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$1" && pwd)
python=$2
mkdir -p "$3"
output=$(cd "$3" && pwd)
cd "$source"

for patch in "$here"/patches/*.patch; do
    if patch -p1 --forward --dry-run <"$patch" >/dev/null; then
        patch -p1 <"$patch"
    else
        # A later release may have mended it; the build is good either way, so only say it.
        echo "NOTE: $(basename "$patch") does not apply to this version and is left out"
    fi
done
cp "$here/config_site.h" pjlib/include/pj/config_site.h
# Debian's tarball leaves out a driver that is not free, but not the mention of it.
test -e pjmedia/src/pjmedia-audiodev/bdimad_dev.c || sed -i 's/ bdimad_dev\.o//' pjmedia/build/Makefile

export CFLAGS="-O2 -g0 -fPIC -DNDEBUG" CXXFLAGS="-O2 -g0 -fPIC -DNDEBUG"
./configure --disable-video --disable-sound --enable-epoll --enable-speex-resample \
    --with-external-speex --with-external-srtp --with-external-gsm \
    --disable-ilbc-codec --disable-g7221-codec --disable-libyuv --disable-libwebrtc \
    --disable-speex-aec --disable-sdl --disable-ffmpeg --disable-v4l2 --disable-openh264 \
    --disable-vpx --disable-upnp --disable-opencore-amr --disable-silk --disable-bcg729 \
    --disable-lyra
# No "make dep": what it finds out serves those who change the source and build again.
make -j"$(nproc)" lib
cd pjsip-apps/src/swig/python
# 170,000 lines that only pass calls on: -O2 takes twice as long for it.
CFLAGS="-O1 -g0 -fPIC -DNDEBUG"
PJDIR=$source LDFLAGS=-Wl,-s make PYTHON_EXE="$python" wheel
cp dist/*.whl "$output/"

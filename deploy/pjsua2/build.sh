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

# Without these a call can stall or be silent, a stranger be heard, or the process crash.
required="02 03 07 08 09 11 13"
for patch in "$here"/patches/*.patch; do
    if patch -p1 --forward --dry-run <"$patch" >/dev/null; then
        patch -p1 <"$patch"
    elif patch -p1 --reverse --dry-run <"$patch" >/dev/null; then
        echo "NOTE: $(basename "$patch") is part of this version already"
    else
        case " $required " in *" $(basename "$patch" | cut -d- -f1) "*)
            echo "ERROR: $(basename "$patch") does not apply to this version of pjproject, and the" \
                "server must not do without it; name another version (CENTRALITA_PJPROJECT=FILE)" >&2
            exit 1 ;;
        esac
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
# A crash that our own change of the ioqueue once had: seconds show that it is not there.
# shellcheck disable=SC2086  # a list of flags
"${CC:-cc}" $CFLAGS -DPJ_AUTOCONF=1 -DPJ_IS_BIG_ENDIAN=0 -DPJ_IS_LITTLE_ENDIAN=1 -Ipjlib/include \
    "$here/closing_race.c" pjlib/lib/libpj-*.a -o closing_race -lpthread -lm -luuid
timeout 120 ./closing_race 100000 >closing_race.log 2>&1 || {
    tail -n 3 closing_race.log >&2
    echo "ERROR: sockets that are closed while packets come crash this pjlib" >&2
    exit 1
}
cd pjsip-apps/src/swig/python
# 170,000 lines that only pass calls on: -O2 takes twice as long for it.
CFLAGS="-O1 -g0 -fPIC -DNDEBUG"
PJDIR=$source LDFLAGS=-Wl,-s make PYTHON_EXE="$python" wheel
cp dist/*.whl "$output/"

#!/usr/bin/env bash
# Fetches Mesa's AMD, Intel and NVIDIA drivers and builds what makes them start without a GPU, all in one folder: nothing
# is installed, and the machine's own adapters stay what they are.
#   bench/static-gpu/drivers.sh [FOLDER]     (else $PANPP_STATIC_GPU, else ~/.cache/panpp/static-gpu)
# For Debian 12 on x86-64 with gcc, g++, pkg-config, xz, python3 and apt; no root. Some 100 MB and two minutes of one core.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-${PANPP_STATIC_GPU:-${XDG_CACHE_HOME:-$HOME/.cache}/panpp/static-gpu}}
mesa=25.0.7

[ -r /etc/os-release ] && . /etc/os-release
if [ "${VERSION_CODENAME:-}" != bookworm ] || [ "$(uname -m)" != x86_64 ]; then
  echo "drivers.sh knows Debian 12 (bookworm) on x86-64 only; this is ${PRETTY_NAME:-unknown} on $(uname -m)" >&2
  exit 2
fi
for tool in gcc g++ pkg-config python3 xz; do
  command -v $tool >/dev/null || { echo "drivers.sh needs $tool; install it" >&2; exit 2; }
done
mkdir -p "$folder"/{debs,root,layer}
folder=$(cd "$folder" && pwd)
root=$folder/root

# Package lists of our own: the system's may have neither backports nor sources. Of the next Debian NVIDIA's driver, which
# this one does not build, with all that it needs.
mirror=$(apt-get indextargets 'Created-By: Packages' 'Origin: Debian' "Codename: $VERSION_CODENAME" --format '$(REPO_URI)' | head -1)
[ -n "$mirror" ] || { echo "apt has no lists of Debian; run apt-get update" >&2; exit 2; }
lists() { # FOLDER SUITE...: an empty place for apt, with these suites
  mkdir -p "$1"/{lists/partial,archives/partial}
  local suite
  for suite in "${@:2}"; do
    printf '%s [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' deb "$mirror" "$suite" deb-src "$mirror" "$suite"
  done >"$1/sources.list"
}
apt_in() { # FOLDER ARGUMENTS...
  apt-get -qq -o Dir::Etc::sourcelist="$1/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$1/lists" -o Dir::Cache="$1" \
    -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 "${@:2}"
}
lists "$folder/apt" $VERSION_CODENAME $VERSION_CODENAME-backports
lists "$folder/apt-nvidia" trixie
apt() { apt_in "$folder/apt" -t "$VERSION_CODENAME-backports" "$@"; }
apt_nvidia() { apt_in "$folder/apt-nvidia" -o Dir::State::status=/dev/null "$@"; }
apt update
apt_nvidia update

# The drivers whether they are installed or not, and of all else what is not there.
wanted=(mesa-vulkan-drivers libdrm2 libdrm-amdgpu1 libdrm-dev libvulkan1 libvulkan-dev libexpat1-dev zlib1g-dev
  meson ninja-build flex bison m4 python3-mako python3-markupsafe python3-yaml python3-packaging)
missing=$(apt install -s --no-install-recommends "${wanted[@]}" | sed -n 's/^Inst \(\S*\) .*/\1/p')
cd "$folder/debs"
rm -f ./*.deb
apt download $(printf '%s\n' mesa-vulkan-drivers libdrm2 libdrm-amdgpu1 libdrm-dev $missing | sort -u)
for package in ./*.deb; do dpkg -x "$package" "$root"; done
versions=$(dpkg-deb -f mesa-vulkan-drivers_*.deb Version)

mkdir -p "$folder/debs-nvidia" "$folder/root-nvidia"
cd "$folder/debs-nvidia"
rm -f ./*.deb
# LLVM is for other drivers of the package.
apt_nvidia download $(apt_nvidia install -s --no-install-recommends mesa-vulkan-drivers | sed -n 's/^Inst \(\S*\) .*/\1/p' | grep -v '^libllvm')
for package in ./*.deb; do dpkg -x "$package" "$folder/root-nvidia"; done
versions="$versions $(dpkg-deb -f mesa-vulkan-drivers_*.deb Version)"
for version in $versions; do
  case $version in
    $mesa-*) ;;
    *) echo "the mirror has Mesa $version; the figures in baseline.json are of $mesa" >&2; mesa=${version%%-*} ;;
  esac
done
libraries=$root/usr/lib/x86_64-linux-gnu

# The layer.
gcc -O1 -shared -fPIC -fvisibility=hidden -I"$root/usr/include" -o "$folder/layer/libnullgpu.so" "$here/layer/nullgpu.c" -lpthread
cp "$here/layer/nullgpu.json" "$folder/layer/"

# Intel's and NVIDIA's drivers ask the kernel what GPU there is. Mesa has libraries that answer instead; Debian does not ship
# them.
if [ ! -e "$folder/libnouveau_noop_drm_shim.so" ]; then
  sed -i "s#^prefix=/usr\$#prefix=$root/usr#" "$libraries"/pkgconfig/*.pc
  cd "$folder"
  apt source --tar-only mesa
  tar xf mesa_*.orig.tar.xz
  export PATH=$root/usr/bin:$PATH PYTHONPATH=$root/usr/lib/python3/dist-packages PKG_CONFIG_PATH=$libraries/pkgconfig
  export M4=$root/usr/bin/m4 BISON_PKGDATADIR=$root/usr/share/bison LD_LIBRARY_PATH=$libraries
  command -v m4 >/dev/null && M4=$(command -v m4)
  rm -rf build
  # NVIDIA's without the rest of its drivers.
  sed -i "s#^if with_any_nouveau\$#if with_tools.contains('drm-shim')\n  subdir('nouveau/drm-shim')\nendif\n&#" mesa-*/src/meson.build
  python3 "$(command -v meson)" setup build mesa-*/ -Dbuildtype=release -Dtools=drm-shim,intel -Dgallium-drivers= -Dvulkan-drivers= -Dplatforms= \
    -Dglx=disabled -Degl=disabled -Dgbm=disabled -Dopengl=false -Dgles1=disabled -Dgles2=disabled -Dllvm=disabled -Dvideo-codecs= >meson.log
  shims="src/intel/tools/libintel_noop_drm_shim.so src/nouveau/drm-shim/libnouveau_noop_drm_shim.so"
  nice ninja -C build $shims >ninja.log
  (cd build && cp $shims ..)
  rm -rf build mesa-*/ mesa_*
fi
# Whose figures these are; its being there says that all is.
echo "$mesa" >"$folder/version"
echo "ready: $folder"

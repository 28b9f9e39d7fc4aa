#!/bin/sh
# Fetches what the synthetic generator draws with, from Debian's packages (Debian 12; other releases have most of them):
# fonts, photographs without text, and word lists. Nothing is installed: packages are unpacked under OUT.
#   sh fetch_assets.sh OUT      then      python3 pack_data.py --assets OUT ...
# A package that this release lacks is reported and left out.
set -eu
out=${1:?usage: sh fetch_assets.sh OUT}
mkdir -p "$out/packages" "$out/root"

fonts='3270 adf-accanthis adf-baskervald adf-berenis adf-gillius adf-ikarius adf-irianis adf-libris adf-mekanus
adf-oldania adf-romande adf-switzera adf-tribun adf-universalis adf-verana allerta arapey averia-gwf averia-sans-gwf
averia-serif-gwf b612 bebas-neue beteckna blankenburg breip cabin cabinsketch cantarell cardo century-catalogue
cherrybomb clear-sans comfortaa comic-neue compagnon courier-prime crosextra-caladea crosextra-carlito dancingscript
dejavu-core dejavu-extra dkg-handwriting dosis dustin ebgaramond ecolier-court engadget essays1743 f500 fantasque-sans
fanwood femkeklaver firacode freefont-ttf gfs-artemisia gfs-bodoni-classic gfs-didot gnutypewriter go goudybookletter
hack-ttf humor-sans inconsolata inter isabella jetbrains-mono joscelyn junction junicode jura karla karmilla
kaushanscript klaudia-berenika kristi lato league-mono league-spartan leckerli-one lemonada liberation2 lindenhill
linuxlibertine lobster lobstertwo manrope millimetre monofur mononoki national-park noto-mono ocr-a ocr-b okolaks
oldstandard open-sans opendin opendyslexic osifont oxygen paratype play prociono quattrocento quicksand radisnoir
roadgeek roboto-slab roboto-unhinted routed-gothic rufscript sil-andika sil-charis sil-gentium-basic sjfonts
solide-mirage sora staypuft stix summersby texgyre tiresias tlwg-kinnari-ttf tlwg-loma-ttf tlwg-norasi-ttf
tlwg-purisa-ttf tlwg-sawasdee-ttf tlwg-typist-ttf tlwg-umpush-ttf tlwg-waree-ttf tomsontalks tuffy ubuntu-title
uralic urw-base35 vollkorn yanone-kaffeesatz yrsa-rasa'
others='wamerican wbritish mate-backgrounds ukui-wallpapers lomiri-wallpapers-16.04 lomiri-wallpapers-20.04
gnome-backgrounds'

packages=$others
for name in $fonts; do packages="$packages fonts-$name"; done

cd "$out/packages"
for package in $packages; do
  ls "${package}"_*.deb >/dev/null 2>&1 || apt-get -qq download "$package" || echo "not available: $package" >&2
done
for archive in *.deb; do dpkg-deb --extract "$archive" ../root; done
find ../root \( -name '*.ttf' -o -name '*.otf' \) | wc -l | sed 's/$/ font files/'

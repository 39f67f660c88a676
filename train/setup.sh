#!/bin/sh
# Fonts, word lists and Python packages that training needs (Debian or Ubuntu; run as root or with sudo).
set -e
apt-get update
apt-get install -y --no-install-recommends \
  wamerican wbritish \
  fonts-dejavu fonts-liberation2 fonts-noto-core fonts-roboto-hinted fonts-roboto-slab fonts-open-sans fonts-lato \
  fonts-inconsolata fonts-hack fonts-firacode fonts-cantarell fonts-freefont-ttf fonts-croscore fonts-crosextra-carlito \
  fonts-crosextra-caladea fonts-courier-prime fonts-ebgaramond fonts-linuxlibertine fonts-quicksand fonts-comfortaa \
  fonts-jetbrains-mono fonts-inter fonts-b612 fonts-cabin fonts-karla fonts-manrope fonts-dosis fonts-play fonts-paratype \
  fonts-sil-gentium-basic fonts-sil-charis fonts-sil-andika fonts-urw-base35 fonts-vollkorn fonts-quattrocento fonts-go \
  fonts-mononoki fonts-clear-sans fonts-adf-gillius fonts-adf-universalis fonts-adf-accanthis fonts-league-spartan \
  fonts-stix fonts-gfs-neohellenic fonts-oldstandard fonts-junicode fonts-cardo fonts-tuffy fonts-sora fonts-national-park \
  fonts-jura fonts-cmu fonts-dseg fonts-comic-neue fonts-fantasque-sans fonts-agave fonts-monoid fonts-averia-sans-gwf \
  fonts-karmilla fonts-tlwg-loma-ttf
python3 -m pip install -r "$(dirname "$0")/requirements.txt"

# Runs one function of the PKGBUILD. Its arguments: the function, the version that pkgver() printed (or nothing).
rbee_step=$1 rbee_pkgver=$2
set --
shopt -s extglob
source ./PKGBUILD
if [[ -n $rbee_pkgver ]]; then
    pkgver=$rbee_pkgver
fi
cd "$srcdir"
"$rbee_step"

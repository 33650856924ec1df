#!/bin/sh
# make-sbom.sh OUT BINARY VERSION - writes what the binary is made of as SPDX 2.3 in JSON. Sums of BearSSL and jsmn are those
# that the fetch scripts hold them to; musl's is that of the archive that was linked. The same sources give the same bytes.
set -eu
LC_ALL=C
export LC_ALL
out=$1 binary=$2 version=$3
tools=$(dirname "$0")

pinned() { sed -n 's/^sum=\([0-9a-f]\{64\}\).*/\1/p' "$tools/$1"; }
sum_of() { sha256sum "$1" | cut -d' ' -f1; }
version_of() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo NOASSERTION; }

seconds=${SOURCE_DATE_EPOCH:-$(git -C "$tools/.." log -1 --format=%ct 2>/dev/null || echo 0)}
created=$(date -u -d "@$seconds" +%Y-%m-%dT%H:%M:%SZ)
sum=$(sum_of "$binary")
musl=$(ls /usr/lib/*-linux-musl*/libc.a | head -n 1)

# package ID NAME VERSION LICENSE FROM SHA256
package() {
	cat <<-END
		    {"SPDXID": "SPDXRef-$1", "name": "$2", "versionInfo": "$3", "licenseConcluded": "$4", "licenseDeclared": "$4",
		     "copyrightText": "NOASSERTION", "downloadLocation": "$5", "filesAnalyzed": false,
		     "checksums": [{"algorithm": "SHA256", "checksumValue": "$6"}]}
	END
}

{
	cat <<-END
		{
		  "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
		  "name": "autoheal-$version", "documentNamespace": "urn:autoheal:$version:$sum",
		  "creationInfo": {"created": "$created", "creators": ["Tool: make-sbom.sh"]},
		  "packages": [
	END
	package autoheal autoheal "$version" MIT NOASSERTION "$sum"
	echo ,
	package bearssl BearSSL 0.6 MIT https://deb.debian.org/debian/pool/main/b/bearssl/ "$(pinned fetch-bearssl.sh)"
	echo ,
	package jsmn jsmn "$(version_of libjsmn-dev)" MIT https://deb.debian.org/debian/pool/main/j/jsmn/ "$(pinned fetch-jsmn.sh)"
	echo ,
	package musl musl "$(version_of musl-dev)" MIT https://deb.debian.org/debian/pool/main/m/musl/ "$(sum_of "$musl")"
	cat <<-END
		  ],
		  "relationships": [
		    {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-autoheal"},
		    {"spdxElementId": "SPDXRef-autoheal", "relationshipType": "STATIC_LINK", "relatedSpdxElement": "SPDXRef-bearssl"},
		    {"spdxElementId": "SPDXRef-autoheal", "relationshipType": "CONTAINS", "relatedSpdxElement": "SPDXRef-jsmn"},
		    {"spdxElementId": "SPDXRef-autoheal", "relationshipType": "STATIC_LINK", "relatedSpdxElement": "SPDXRef-musl"}
		  ]
		}
	END
} >"$out.tmp"
mv "$out.tmp" "$out"

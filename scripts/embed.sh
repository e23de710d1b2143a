#!/bin/sh
# Writes C on standard output: the files of web/page/ as the table of web/page.h. page.html is the folder's own address.
#   scripts/embed.sh web/page/FILE...
set -eu
echo '/* Written by scripts/embed.sh. */'
echo '#include "web/page.h"'
i=0
for file; do
	echo "static const unsigned char file_$i[] = {"
	od -An -v -tx1 "$file" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
	echo '};'
	i=$((i + 1))
done
echo 'const struct page_file page_files[] = {'
i=0
for file; do
	name=${file##*/}
	case $name in
	*.html) name='' type='text/html; charset=utf-8' ;;
	*.css) type='text/css; charset=utf-8' ;;
	*.js) type='text/javascript; charset=utf-8' ;;
	*)
		echo "$0: of what type is $file?" >&2
		exit 1
		;;
	esac
	echo "	{\"/page/$name\", \"$type\", file_$i, sizeof file_$i},"
	i=$((i + 1))
done
echo '};'
echo 'const size_t page_count = sizeof page_files / sizeof page_files[0];'

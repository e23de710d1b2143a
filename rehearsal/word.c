/* Short texts, see word.h. Any thread. */
#include "rehearsal/word.h"

#include "rehearsal/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct word word_count(size_t count)
{
	struct word word;
	snprintf(word.text, sizeof word.text, "%zu", count);
	return word;
}

struct word word_number(double value, int decimals)
{
	struct word word;
	if (isfinite(value))
		snprintf(word.text, sizeof word.text, "%.*f", decimals, fabs(value) < 0.5 * pow(10, -decimals) ? 0 : value);
	else
		snprintf(word.text, sizeof word.text, "\xe2\x80\x93");
	return word;
}

struct word word_signed(double value, int decimals)
{
	struct word word = word_number(value, decimals), with = {"+"};
	if (!isfinite(value) || word.text[0] == '-' || fabs(value) < 0.5 * pow(10, -decimals))
		return word;
	memcpy(with.text + 1, word.text, sizeof with.text - 2);
	return with;
}

struct word word_time(int64_t us)
{
	struct word word;
	long long seconds = us / 1000000;
	snprintf(word.text, sizeof word.text, "%lld:%02lld", seconds / 60, seconds % 60);
	return word;
}

/* A text with two places filled, unescaped: the page escapes what it writes. */
static struct word filled(enum text text, const char *const *arguments)
{
	struct word word = {""};
	size_t used = 0;
	for (const char *at = text_of(text); *at && used + 1 < sizeof word.text;) {
		if (at[0] == '{' && at[1] >= '1' && at[1] <= '3' && at[2] == '}') {
			const char *argument = arguments[at[1] - '1'];
			for (; argument && *argument && used + 1 < sizeof word.text; argument++)
				word.text[used++] = *argument;
			at += 3;
		} else {
			word.text[used++] = *at++;
		}
	}
	word.text[used] = 0;
	return word;
}

struct word word_place(const struct take *take, size_t first, size_t last)
{
	struct word time = word_time(take->units[first].start_us), end = word_time(take->units[last].end_us);
	struct word from = word_count(first + 1), to = word_count(last + 1);
	if (!take->has_beat)
		return filled(first == last ? TEXT_SECOND : TEXT_SECONDS, (const char *[]){time.text, end.text, NULL});
	if (first == last)
		return filled(TEXT_BAR, (const char *[]){from.text, time.text, NULL});
	return filled(TEXT_BARS, (const char *[]){from.text, to.text, time.text});
}

/* See report_folder.h. Main thread. A folder that somebody else is at work on is waited for. */
#define _GNU_SOURCE
#include "tools/report_folder.h"

#include "rehearsal/page_index.h"
#include "stream/touch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECES_TRIED 40 /* pieces that a new take is held against, the newest first */
#define SAME_PIECE 0.5	/* share of notes that find a partner, from the first that does to the last, in both takes */
#define OLDER_MAX 2	/* takes beside a new one on its page */

struct work {
	const struct model *model;
	const struct folder_request *request;
	const char *out;
	struct history *history;
	char (*names)[HISTORY_NAME_MAX];
	size_t count;
	size_t failed, made;
};

/* ---- what is there ---- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_take(const char *name)
{
	size_t length = strlen(name);
	return name[0] != '.' && length > 4 && length < HISTORY_NAME_MAX && !strpbrk(name, "\r\n") &&
	       (strcasecmp(name + length - 4, ".mid") == 0);
}

static enum status list_takes(struct work *work, struct error *error)
{
	const char *folder = work->request->folder;
	DIR *entries = opendir(folder);
	if (!entries)
		return status_fail(error, STATUS_IO, "%s: %s", folder, strerror(errno));
	enum status status = STATUS_OK;
	for (struct dirent *entry; status == STATUS_OK && (entry = readdir(entries));) {
		if (!is_take(entry->d_name))
			continue;
		void *grown =
		    work->count % 256 ? work->names : realloc(work->names, (work->count + 256) * sizeof *work->names);
		if (grown) {
			work->names = grown;
			snprintf(work->names[work->count++], HISTORY_NAME_MAX, "%s", entry->d_name);
		} else {
			status = status_fail(error, STATUS_NO_MEMORY, "no memory for the takes of %s", folder);
		}
	}
	closedir(entries);
	if (status == STATUS_OK && work->count > 0)
		qsort(work->names, work->count, sizeof *work->names, compare_names);
	return status;
}

static long long changed(const char *path)
{
	struct stat about;
	return stat(path, &about) == 0 ? (long long)about.st_mtim.tv_sec * 1000000000 + about.st_mtim.tv_nsec : 0;
}

/* Curves that are kept or given, as far as a change of them shows. */
static long long curve_changed(const char *curve)
{
	char path[PATH_MAX];
	if (strcmp(curve, "none") == 0)
		return 0;
	if (strcmp(curve, "auto") != 0)
		return changed(curve);
	if (touch_place("x", path, sizeof path, NULL) != STATUS_OK)
		return 0;
	*strrchr(path, '/') = '\0';
	return changed(path);
}

static bool make_key(const struct work *work, const char *path, char *key, size_t size)
{
	struct stat about;
	if (stat(path, &about) != 0)
		return false;
	snprintf(key, size, "%llx.%llx.%.12s.%d.%llx", (unsigned long long)about.st_size, (unsigned long long)changed(path),
		 model_sha256(work->model), (int)work->request->grid,
		 (unsigned long long)curve_changed(work->request->curve));
	return true;
}

static void page_path(const struct work *work, const char *file, char *path, size_t size)
{
	snprintf(path, size, "%.3800s/%.*s.html", work->out, (int)strlen(file) - 4, file);
}

static void take_path(const struct work *work, const char *file, char *path, size_t size)
{
	snprintf(path, size, "%.3800s/%s", work->request->folder, file);
}

/* ---- which piece ---- */

/* Of one take's notes, from the first to the last with a partner, the share that has one: the practice of a few bars belongs
 * to its piece, but a scale that finds its notes all over a sonata does not. */
static double density(const size_t *partner, size_t count)
{
	size_t first = ALIGN_NONE, last = 0, paired = 0;
	for (size_t i = 0; i < count; i++) {
		if (partner[i] == ALIGN_NONE)
			continue;
		first = first == ALIGN_NONE ? i : first;
		last = i;
		paired++;
	}
	return paired > 0 ? (double)paired / (double)(last - first + 1) : 0;
}

/* How much two takes share where they meet, and of the shorter one as a whole; 0 if the other cannot be read any more. */
static double shared(const struct work *work, const struct take *take, const char *file)
{
	char path[PATH_MAX];
	struct take other;
	struct alignment alignment;
	struct error error;
	double share = 0;
	take_path(work, file, path, sizeof path);
	if (take_read(path, work->request->grid, &other, &error) != STATUS_OK)
		return 0;
	if (align_takes(take, &other, &alignment, &error) == STATUS_OK) {
		size_t shorter = take->count < other.count ? take->count : other.count;
		share = (double)alignment.matched / (double)shorter;
		share =
		    fmin(share, fmin(density(alignment.older_of, take->count), density(alignment.newer_of, other.count)));
		alignment_free(&alignment);
	}
	take_free(&other);
	return share;
}

/* The piece of the earlier take that shares most; else the number that it had, or a new one. */
static size_t find_piece(const struct work *work, const struct take *take, const char *file)
{
	const struct history *history = work->history;
	size_t tried[PIECES_TRIED], tries = 0, best = 0, last = 0;
	double most = SAME_PIECE;
	for (size_t i = 0; i < history->count; i++)
		last = history->takes[i].piece > last ? history->takes[i].piece : last;
	for (size_t i = history->count; i-- > 0 && tries < PIECES_TRIED;) {
		const struct history_take *other = &history->takes[i];
		bool known = strcmp(other->file, file) >= 0;
		for (size_t k = 0; !known && k < tries; k++)
			known = tried[k] == other->piece;
		if (known)
			continue;
		tried[tries++] = other->piece;
		double share = shared(work, take, other->file);
		if (share >= most) {
			most = share;
			best = other->piece;
		}
	}
	const struct history_take *before = history_find(history, file);
	if (best == 0)
		best = before ? before->piece : last + 1;
	return best;
}

/* ---- one take ---- */

static enum status measure(struct work *work, const char *file, const char *path, struct history_take *row,
			   struct error *error)
{
	char older[OLDER_MAX][PATH_MAX], page[PATH_MAX];
	const char *paths[1 + OLDER_MAX] = {path};
	size_t count = 1;
	struct take take;
	struct report report;
	enum status status = take_read(path, work->request->grid, &take, error);
	if (status != STATUS_OK)
		return status;
	row->piece = find_piece(work, &take, file);
	take_free(&take);
	for (size_t i = work->history->count; i-- > 0 && count <= OLDER_MAX;) {
		const struct history_take *other = &work->history->takes[i];
		if (other->piece != row->piece || strcmp(other->file, file) >= 0)
			continue;
		take_path(work, other->file, older[count - 1], PATH_MAX);
		if (access(older[count - 1], R_OK) == 0) {
			paths[count] = older[count - 1];
			count++;
		}
	}
	status = report_make(work->model, paths, count, work->request->grid, work->request->curve, &report, error);
	if (status != STATUS_OK)
		return status;
	history_measure(&report, row);
	page_path(work, file, page, sizeof page);
	status = work->request->write_page(&report, page, error);
	report_free(&report);
	return status;
}

static enum status bring_up_to_date(struct work *work, const char *file, const char *history_path, struct error *error)
{
	char path[PATH_MAX], page[PATH_MAX];
	struct history_take row = {.piece = 0};
	struct error why;
	take_path(work, file, path, sizeof path);
	page_path(work, file, page, sizeof page);
	snprintf(row.file, sizeof row.file, "%s", file);
	const struct history_take *known = history_find(work->history, file);
	if (make_key(work, path, row.key, sizeof row.key) && known && strcmp(known->key, row.key) == 0 &&
	    access(page, F_OK) == 0)
		return STATUS_OK;
	enum status status = measure(work, file, path, &row, &why);
	if (status == STATUS_NO_MEMORY || status == STATUS_IO)
		return status_fail(error, status, "%s", why.text);
	if (status != STATUS_OK) {
		fprintf(stderr, "midibert report: %s\n", why.text);
		history_remove(work->history, file);
		work->failed++;
		return STATUS_OK;
	}
	work->made++;
	if (!history_put(work->history, &row))
		return status_fail(error, STATUS_NO_MEMORY, "no memory for the history of takes");
	return history_write(history_path, work->history, error); /* what is done is done, whatever comes */
}

/* ---- the folder ---- */

static enum status write_index(const struct work *work, struct error *error)
{
	char path[PATH_MAX], fresh[PATH_MAX + 8];
	snprintf(path, sizeof path, "%.3800s/index.html", work->out);
	snprintf(fresh, sizeof fresh, "%s.part", path);
	FILE *out = fopen(fresh, "we");
	if (!out)
		return status_fail(error, STATUS_IO, "%s: %s", fresh, strerror(errno));
	enum status status = page_index_write(work->history, work->request->folder, out, error);
	bool good = !ferror(out);
	good = fclose(out) == 0 && good;
	if (status == STATUS_OK && (!good || rename(fresh, path) != 0))
		status = status_fail(error, STATUS_IO, "%s: %s", path, strerror(errno));
	if (status != STATUS_OK)
		unlink(fresh);
	return status;
}

/* Takes that have gone leave the history; their pages stay. */
static void forget_gone(struct work *work)
{
	for (size_t i = work->history->count; i-- > 0;) {
		const char *file = work->history->takes[i].file;
		if (work->count == 0 || !bsearch(file, work->names, work->count, sizeof *work->names, compare_names))
			history_remove(work->history, file);
	}
}

enum status report_folder(const struct model *model, const struct folder_request *request, struct history *history,
			  struct error *error)
{
	char history_path[PATH_MAX];
	struct work work = {
	    .model = model, .request = request, .out = request->out ? request->out : request->folder, .history = history};
	*history = (struct history){0};
	if (mkdir(work.out, 0777) != 0 && errno != EEXIST)
		return status_fail(error, STATUS_IO, "%s: %s", work.out, strerror(errno));
	int lock = open(work.out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0)
		return status_fail(error, STATUS_IO, "%s: %s", work.out, strerror(errno));
	flock(lock, LOCK_EX);
	snprintf(history_path, sizeof history_path, "%.3800s/history.csv", work.out);
	enum status status = list_takes(&work, error);
	if (status == STATUS_OK)
		status = history_read(history_path, history, error);
	if (status == STATUS_OK)
		forget_gone(&work);
	for (size_t i = 0; status == STATUS_OK && i < work.count; i++)
		status = bring_up_to_date(&work, work.names[i], history_path, error);
	if (status == STATUS_OK)
		status = history_write(history_path, history, error);
	if (status == STATUS_OK)
		status = write_index(&work, error);
	if (status == STATUS_OK)
		fprintf(stderr, "midibert report: %zu takes, %zu of them new; %s/index.html\n", history->count, work.made,
			work.out);
	if (status == STATUS_OK && work.failed > 0)
		status = status_fail(error, STATUS_BAD_DATA, "%zu takes could not be read", work.failed);
	close(lock);
	free(work.names);
	return status;
}

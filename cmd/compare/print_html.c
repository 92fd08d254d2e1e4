/* SPDX-License-Identifier: Apache-2.0 */
/* print_html: a report as one file for a browser, wide or narrow, dark or light. See report.h. */
#include "base/cleanup.h"
#include "cmd/compare/report.h"

#include <string.h>

static const char style[] =
	":root{color-scheme:light dark;--bg:#fbfaf7;--card:#fff;--ink:#1d2327;--soft:#5c666d;--line:#e2ded5;"
	"--own:#12796b;--own-fill:#d5efe9;--shared:#a2530a;--shared-fill:#fbe3c4;--bar:#8a97a0}\n"
	"@media (prefers-color-scheme:dark){:root{--bg:#14181b;--card:#1c2226;--ink:#e8ecee;--soft:#9aa6ad;"
	"--line:#313a40;--own:#5ed0bb;--own-fill:#16413a;--shared:#f0a45b;--shared-fill:#4a2f12;--bar:#6f7d86}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\n"
	"main{max-width:1120px;margin:0 auto;padding:32px 20px 64px}\n"
	"h1{font-size:clamp(26px,5vw,40px);line-height:1.15;margin:0 0 8px}\n"
	"h2{font-size:22px;margin:44px 0 4px}\n"
	"p{margin:0 0 12px;color:var(--soft)}\n"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:16px 0 0;font-size:14px}\n"
	"dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}\n"
	".stacks{display:grid;grid-template-columns:1fr 1fr;gap:20px;margin-top:28px}\n"
	"figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px;"
	"display:flex;flex-direction:column}\n"
	"figcaption{font-weight:600;margin-bottom:8px}\n"
	"svg.stack{display:block;width:100%;height:auto;margin-top:auto}\n"
	".stack text{fill:var(--ink);font:600 15px system-ui,sans-serif}\n"
	".stack .small{fill:var(--soft);font-weight:400;font-size:13px}\n"
	".stack .own{fill:var(--own-fill);stroke:var(--own)}\n"
	".stack .shared{fill:var(--shared-fill);stroke:var(--shared)}\n"
	".stack .wall{stroke:var(--ink);stroke-width:3}\n"
	".stack .wall.thin{stroke-width:2;stroke-dasharray:3 5}\n"
	".legend{display:flex;flex-wrap:wrap;gap:6px 20px;margin:14px 0 0;font-size:14px;color:var(--soft)}\n"
	".legend i{display:inline-block;width:14px;height:14px;border-radius:3px;border:1px solid;vertical-align:-2px;"
	"margin-right:6px}\n"
	".legend .own{background:var(--own-fill);border-color:var(--own)}\n"
	".legend .shared{background:var(--shared-fill);border-color:var(--shared)}\n"
	".rows{background:var(--card);border:1px solid var(--line);border-radius:12px;overflow:hidden;margin-top:12px}\n"
	".row{display:grid;grid-template-columns:minmax(200px,1.15fr) 1fr 1fr 74px;gap:4px 20px;padding:10px 16px;"
	"border-top:1px solid var(--line)}\n"
	".row:first-child{border-top:0}\n"
	".head{font-weight:600;font-size:14px}\n"
	".title{font-weight:600}.note{display:block;font-weight:400;font-size:13px;color:var(--soft)}\n"
	".cell{overflow-wrap:anywhere;font-variant-numeric:tabular-nums}\n"
	".cell.apart{color:var(--own)}.cell.shared{color:var(--shared)}\n"
	".who{display:none}\n"
	".ratio{text-align:right;font-variant-numeric:tabular-nums;font-weight:600}\n"
	"svg.bar{display:block;width:100%;height:8px;margin-top:4px}\n"
	".bar rect{fill:var(--bar)}.apart .bar rect,.vm .bar rect{fill:var(--own)}\n"
	".shared .bar rect,.ns .bar rect{fill:var(--shared)}\n"
	"footer{margin-top:40px;font-size:13px;color:var(--soft)}\n"
	"@media (max-width:760px){main{padding:20px 14px 48px}.stacks{grid-template-columns:1fr}\n"
	".row{grid-template-columns:1fr 1fr;padding:12px}.title{grid-column:1/-1}.head{display:none}\n"
	".who{display:block;font-size:12px;color:var(--soft)}\n"
	".ratio{grid-column:1/-1;text-align:left;font-weight:400;font-size:14px;color:var(--soft)}\n"
	".ratio:empty{display:none}.ratio::before{content:'ratio '}}\n";

static void print_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static void print_element(FILE *out, const char *begin, const char *text, const char *end)
{
	fputs(begin, out);
	print_text(out, text);
	fputs(end, out);
}

/* --- The picture --- */

enum { STACK_WIDTH = 400, LAYER = 58 };

struct layer {
	const char *class; /* "own" or "shared" */
	char title[96], small[160];
	const char *wall; /* below it: "wall", "wall thin", or NULL */
};

/* The style puts it at the bottom of its frame, so that the host's layers lie beside each other. */
static void print_stack(FILE *out, const char *caption, const struct layer *layers, int n)
{
	int y = 4;

	print_element(out, "<figure><figcaption>", caption, "</figcaption>\n");
	fprintf(out, "<svg class=\"stack\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", STACK_WIDTH,
		n * (LAYER + 12) - 6);
	for (int i = 0; i < n; i++) {
		print_text(out, layers[i].title);
		fputs(i + 1 < n ? ", on " : "\">\n", out);
	}
	for (int i = 0; i < n; i++) {
		fprintf(out, "<rect class=\"%s\" x=\"2\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"8\"/>",
			layers[i].class, y, STACK_WIDTH - 4, LAYER);
		fprintf(out, "<text x=\"18\" y=\"%d\">", y + 25);
		print_element(out, "", layers[i].title, "</text>");
		fprintf(out, "<text class=\"small\" x=\"18\" y=\"%d\">", y + 45);
		print_element(out, "", layers[i].small, "</text>\n");
		y += LAYER;
		if (layers[i].wall)
			fprintf(out, "<line class=\"%s\" x1=\"2\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n",
				layers[i].wall, STACK_WIDTH - 2, y + 6, y + 6);
		y += 12;
	}
	fputs("</svg></figure>\n", out);
}

static void print_pictures(const struct report *r, FILE *out)
{
	struct layer ns[] = {
		{ "own", "Process of the container", "its own root, ids, limits", "wall thin" },
		{ "shared", "", "", NULL },
		{ "shared", "Hardware", "", NULL },
	};
	struct layer vm[] = {
		{ "own", "Process of the container", "its own root, ids, limits", NULL },
		{ "own", "", "its own memory, processes, mounts, clock, log", "wall" },
		{ "own", "vrun-vmm, of this container only", "", "wall thin" },
		{ "shared", "", "", NULL },
		{ "shared", "Hardware", "", NULL },
	};

	snprintf(ns[1].title, sizeof(ns[1].title), "Host's kernel %.60s", r->host_kernel);
	if (r->syscalls[SIDE_NS] >= 0)
		snprintf(ns[1].small, sizeof(ns[1].small), "%d system calls within the container's reach",
			 r->syscalls[SIDE_NS]);
	snprintf(ns[2].small, sizeof(ns[2].small), "%.60s", r->cpu);
	snprintf(vm[1].title, sizeof(vm[1].title), "Guest's kernel %.60s", r->guest_kernel);
	snprintf(vm[2].small, sizeof(vm[2].small), "%.80s", r->engine);
	snprintf(vm[3].title, sizeof(vm[3].title), "Host's kernel %.60s", r->host_kernel);
	if (r->syscalls[SIDE_VM] >= 0)
		snprintf(vm[3].small, sizeof(vm[3].small), "%d system calls within the monitor's reach",
			 r->syscalls[SIDE_VM]);
	snprintf(vm[4].small, sizeof(vm[4].small), "%.60s", r->cpu);
	fputs("<div class=\"stacks\">\n", out);
	print_stack(out, r->names[SIDE_NS], ns, ARRAY_SIZE(ns));
	print_stack(out, r->names[SIDE_VM], vm, ARRAY_SIZE(vm));
	fputs("</div>\n<div class=\"legend\"><span><i class=\"own\"></i>this container's own</span>"
	      "<span><i class=\"shared\"></i>shared with the host and all other containers</span>"
	      "<span>solid line: the virtual machine</span><span>dotted line: system calls</span></div>\n",
	      out);
}

/* --- Rows --- */

static void print_cell(const struct report *report, const struct row *row, int side, FILE *out)
{
	static const char *const moods[] = {
		[MOOD_PLAIN] = "", [MOOD_APART] = " apart", [MOOD_SHARED] = " shared"
	};
	const struct cell *cell = &row->cells[side], *other = &row->cells[!side];

	fprintf(out, "<div class=\"cell %s%s\"><span class=\"who\">", side == SIDE_NS ? "ns" : "vm",
		moods[cell->mood]);
	print_element(out, "", report->names[side], "</span>");
	print_text(out, cell->text[0] ? cell->text : "–");
	if (cell->has_number && row->unit)
		print_element(out, " ", row->unit, "");
	if (row->better != BETTER_NONE && cell->has_number && other->has_number) {
		double most = cell->number > other->number ? cell->number : other->number;
		double width = most > 0 ? cell->number / most * 100 : 0;

		/* What is there is seen, however small beside the other. */
		fprintf(out,
			"<svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
			"<rect width=\"%.2f\" height=\"8\"/></svg>",
			width > 0 && width < 0.7 ? 0.7 : width);
	}
	fputs("</div>", out);
}

static void print_row(const struct report *report, const struct row *row, FILE *out)
{
	print_element(out, "<div class=\"row\"><div class=\"title\">", row->title, "");
	if (row->note)
		print_element(out, "<span class=\"note\">", row->note, "</span>");
	fputs("</div>", out);
	for (int s = 0; s < SIDES; s++)
		print_cell(report, row, s, out);
	fputs("<div class=\"ratio\">", out);
	if (row_ratio(row) > 0) {
		char ratio[32];

		number_text(row_ratio(row), ratio, sizeof(ratio));
		fprintf(out, "%s ×", ratio);
	}
	fputs("</div></div>\n", out);
}

static void print_group(const struct report *report, const struct group *group, FILE *out)
{
	print_element(out, "<section><h2>", group->title, "</h2>\n");
	print_element(out, "<p>", group->intro,
		      "</p>\n<div class=\"rows\"><div class=\"row head\"><div class=\"title\"></div>");
	for (int s = 0; s < SIDES; s++)
		print_element(out, "<div>", report->names[s], "</div>");
	fputs("<div class=\"ratio\"></div></div>\n", out);
	for (size_t i = 0; i < group->n; i++)
		print_row(report, &group->rows[i], out);
	fputs("</div></section>\n", out);
}

static void print_fact(FILE *out, const char *name, const char *value)
{
	print_element(out, "<dt>", name, "</dt>");
	print_element(out, "<dd>", value, "</dd>\n");
}

void report_print_html(const struct report *report, FILE *out)
{
	char seconds[64];

	fprintf(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		     "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
		     "<title>");
	print_text(out, report->names[SIDE_NS]);
	fputs(" and ", out);
	print_text(out, report->names[SIDE_VM]);
	fprintf(out, ", side by side</title>\n<style>\n%s</style></head><body><main>\n", style);
	fputs("<h1>One bundle, two ways to contain it</h1>\n"
	      "<p>The same container in namespaces and in a virtual machine of its own. All that follows was measured on "
	      "one machine while this page was made.</p>\n<dl>",
	      out);
	print_fact(out, "Bundle", report->bundle);
	print_fact(out, "Namespaces", report->names[SIDE_NS]);
	print_fact(out, "Virtual machine", report->names[SIDE_VM]);
	print_fact(out, "Engine", report->engine);
	print_fact(out, "Machine", report->cpu);
	snprintf(seconds, sizeof(seconds), "%.31s, in %.0f seconds", report->date, report->seconds);
	print_fact(out, "Measured", seconds);
	fputs("</dl>\n", out);
	print_pictures(report, out);
	for (size_t i = 0; i < REPORT_GROUPS; i++) {
		if (report->groups[i].n)
			print_group(report, &report->groups[i], out);
	}
	fputs("<footer>Made by vrun compare.</footer></main></body></html>\n", out);
}

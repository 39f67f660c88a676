#include "cli/plot/page.h"

#include "cli/plot/svg.h"

namespace saccade::plot {
namespace {

constexpr const char* kPageStyle = R"(
body{background:var(--paper);color:var(--text);font:15px/1.5 system-ui,sans-serif;margin:2rem auto;padding:0 1rem;max-width:70rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
svg{width:100%;height:auto;display:block;margin:1rem 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
td,th{padding:.2rem .6rem;border-bottom:1px solid var(--grid);text-align:left;white-space:nowrap}
.number{text-align:right}
th button{all:unset;cursor:pointer;font-weight:600}
th button:focus-visible{outline:2px solid var(--blue)}
th[aria-sort=ascending] button::after{content:" \25b2"}
th[aria-sort=descending] button::after{content:" \25bc"}
tbody tr:hover{background:var(--grid)}
ul{color:var(--muted);padding-left:1.2rem}
)";

}  // namespace

std::string html_page(const std::string& title, const std::string& body) {
  const std::string name = escape_html(title);
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         name + "</title>\n<style>\n" + ink_style() + kPageStyle + "</style></head><body>\n<h1>" + name + "</h1>\n" +
         body + "</body></html>\n";
}

std::string html_list(const std::vector<std::string>& lines) {
  std::string html = "<ul>\n";
  for (const std::string& line : lines) html += "<li>" + escape_html(line) + "</li>\n";
  return html + "</ul>\n";
}

}  // namespace saccade::plot

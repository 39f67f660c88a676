#include "cli/sweep/table.h"

#include <algorithm>

#include "base/utf8.h"
#include "cli/plot/svg.h"
#include "cli/printable_text.h"

namespace saccade {
namespace {

// In columns of a terminal, for text of letters that are as wide as one.
size_t width_of(const std::string& text) {
  size_t width = 0;
  for (size_t position = 0; position < text.size(); ++width) next_code_point(text, position);
  return width;
}

std::string padded(const std::string& text, size_t width, bool is_number) {
  const std::string space(width - std::min(width, width_of(text)), ' ');
  return is_number ? space + text : text + space;
}

std::vector<std::string> titles_of(const Table& table) {
  std::vector<std::string> titles;
  for (const TableColumn& column : table.columns) titles.push_back(column.title);
  return titles;
}

std::string escape_markdown(const std::string& text) {
  std::string escaped;
  for (const char c : one_line(text)) {
    if (c == '|' || c == '\\' || c == '`' || c == '*' || c == '<' || c == '[') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

std::string to_text(const Table& table) {
  std::vector<size_t> widths(table.columns.size(), 0);
  const auto fit = [&](const std::vector<std::string>& row) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(one_line(row[i])));
  };
  fit(titles_of(table));
  for (const auto& row : table.rows) fit(row);
  std::string text;
  const auto add = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      line += padded(one_line(row[i]), widths[i], table.columns[i].is_number);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  };
  add(titles_of(table));
  for (const auto& row : table.rows) add(row);
  return text;
}

std::string to_markdown(const Table& table) {
  std::string text;
  const auto add = [&](const std::vector<std::string>& row) {
    text += "|";
    for (const std::string& cell : row) text += " " + escape_markdown(cell) + " |";
    text += "\n";
  };
  add(titles_of(table));
  text += "|";
  for (const TableColumn& column : table.columns) text += column.is_number ? "---:|" : "---|";
  text += "\n";
  for (const auto& row : table.rows) add(row);
  return text;
}

std::string to_html(const Table& table) {
  const auto kind = [](const TableColumn& column) { return column.is_number ? " class=\"number\"" : ""; };
  std::string html = "<div class=\"scroll\"><table>\n<thead><tr>";
  for (const TableColumn& column : table.columns) {
    html += std::string("<th") + kind(column) + " title=\"" + plot::escape_html(column.explanation) +
            "\"><button type=\"button\">" + plot::escape_html(column.title) + "</button></th>";
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) {
      html += std::string("<td") + kind(table.columns[i]) + ">" + plot::escape_html(row[i]) + "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string sortable_script() {
  return R"(<script>
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const heading = button.parentElement, body = heading.closest("table").tBodies[0];
    const column = heading.cellIndex, falls = heading.ariaSort === "ascending";
    for (const other of heading.parentElement.cells) other.ariaSort = "none";
    heading.ariaSort = falls ? "descending" : "ascending";
    const key = (row) => row.cells[column].textContent;
    const isNumber = heading.classList.contains("number");
    const number = (row) => { const value = parseFloat(key(row)); return isNaN(value) ? -Infinity : value; };
    const order = isNumber ? (a, b) => number(a) - number(b) : (a, b) => key(a).localeCompare(key(b));
    body.append(...[...body.rows].sort((a, b) => (falls ? -1 : 1) * order(a, b)));
  });
}
</script>
)";
}

}  // namespace saccade

// A table, by value, as text for a terminal, as Markdown and as HTML.
#pragma once

#include <string>
#include <vector>

namespace saccade {

struct TableColumn {
  std::string title;
  bool is_number = true;    // to the right
  std::string explanation;  // a tooltip in HTML
};

struct Table {
  std::vector<TableColumn> columns;
  std::vector<std::vector<std::string>> rows;  // [rows][columns]
};

/// Aligned; control characters are escaped.
std::string to_text(const Table& table);

std::string to_markdown(const Table& table);

/// A <table> whose rows a click on a heading sorts, with the script of sortable_script().
std::string to_html(const Table& table);

/// What makes tables of to_html() sortable.
std::string sortable_script();

}  // namespace saccade

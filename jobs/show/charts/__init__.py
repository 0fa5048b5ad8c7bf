"""Charts as SVG: pure functions of numbers. Colours and fonts are the style sheet's, page/charts.css."""

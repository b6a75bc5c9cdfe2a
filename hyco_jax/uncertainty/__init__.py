"""The ± behind what a fit found: from the residuals to standard errors in words."""

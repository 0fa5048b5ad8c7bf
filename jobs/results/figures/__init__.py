"""What the report draws beside the summary's numbers: what chosen trials answer, their losses, every trial's RMSE."""

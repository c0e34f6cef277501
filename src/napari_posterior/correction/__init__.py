"""The teacher's answer at the student's price: few teacher samples correct many of a student.

Teacher and student start from the same noise, so their difference varies little and few pairs fix
it. What is estimated are expectations under the named teacher (means, variances, distributions,
probabilities, spectra), without bias, with standard errors; single images are not corrected. Arrays
and streams only: nothing here draws a sample. A pilot (`pilot`) says how many of each to draw
(`allocation`); samples stream into accumulators (`stream`, `two_level`, `bands`, `levels`), which
give `Corrected` estimates (`estimate`).
"""

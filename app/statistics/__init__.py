"""What numbers say: pure functions on counts and labels, with the standard library only.

intervals       how sure a share, a difference or a ratio is (Wilson, Newcombe)
comparison      whether two shares differ (Fisher's exact test with the mid-P value)
correction      which of many comparisons hold (Benjamini-Hochberg, Holm, Gilbert)
control_charts  whether a week is outside its usual variation (p', XmR, NHS rules)
agreement       how far two judges agree (kappa, AC1, alpha)
reliability     the same from counts of patterns, for one draw after the other
calibration     whether a score of 0.7 means 70 % (reliability bins, ECE, Brier)
platt           a curve that makes it so, fitted to labels, and the threshold to go with it
bootstrap       how sure any statistic is, over conversations
distances       how far two distributions lie apart (PSI, KS, JS)
corrected_rate  the true rate behind an imperfect evaluator (PPI++, Rogan-Gladen)
"""
